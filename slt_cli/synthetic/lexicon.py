"""The signs. Glosses are Spanish; forms are invented, inspired by how such signs often look."""

from __future__ import annotations

from slt_cli.synthetic.phonology import (
    ACROSS,
    ASIDE,
    BACK,
    DOWN,
    UP,
    Hand,
    Movement,
    Sign,
    Vector,
)


def _tap(direction: Vector, size: float = 0.2) -> Movement:
    return Movement("tap", direction, size)


def _go(direction: Vector, size: float, turn: float = 0.0) -> Movement:
    return Movement("straight", direction, size, turn)


_PALM = Hand("flat", "centre", "across_up")
_OUT_DOWN = (0.0, 0.8, -0.6)

_TIME = (
    Sign("AYER", Hand("thumb", "cheek", "up_across", _go((-0.75, -0.4, 0.5), 0.4))),
    Sign("HOY", Hand("Y", "near", "front_up", _go(DOWN, 0.35)), "mirror"),
    Sign("MAÑANA", Hand("thumb", "cheek", "up_across", Movement("arc", (-0.2, 0.7, -0.7), 0.5))),
)
_PEOPLE = (
    Sign("YO", Hand("index", "chest", "across_back", _tap(BACK, 0.25))),
    Sign("TU", Hand("index", "near", "front_down", _go((-0.1, 0.0, -1.0), 0.4))),
    Sign("NOSOTROS", Hand("index", "chest", "up_back", Movement("arc", ACROSS, 0.7))),
    Sign("MAMA", Hand("open", "chin", "up_across", _tap((0.6, 0.0, 0.8)))),
    Sign("PAPA", Hand("open", "forehead", "up_across", _tap((0.6, 0.0, 0.8)))),
    Sign("AMIGO", Hand("hook", "chest", "across_down", _tap(ACROSS)), "mirror"),
    Sign("NIÑO", Hand("flat", "low", "front_down", _tap(DOWN))),
    Sign("PROFESORA", Hand("O", "temple", "up_back", _go((-0.3, -0.3, -1.0), 0.3)), "mirror"),
)
_VERBS = (
    Sign("QUERER", Hand("open", "near", "front_up", _go((0.0, 0.2, 1.0), 0.4), "claw"), "mirror"),
    Sign("COMER", Hand("O", "mouth", "up_back", _tap((0.4, -0.7, 0.6), 0.22))),
    Sign("BEBER", Hand("C", "chin", "up_across", Movement("arc", UP, 0.22, 1.2)), mouth=0.5),
    Sign(
        "LEER", Hand("V", "centre", "across_down", _go(DOWN, 0.4)), Hand("flat", "near", "up_back")
    ),
    Sign("COMPRAR", Hand("O", "centre", "across_up", Movement("arc", _OUT_DOWN, 0.4)), _PALM),
    Sign("VER", Hand("V", "eyes", "up_back", _go((-0.3, 0.3, -1.0), 0.5))),
    Sign("IR", Hand("index", "side", "across_front", Movement("arc", ASIDE, 0.44, 1.0))),
    Sign("TENER", Hand("C", "chest_side", "across_back", _go((0.3, -0.1, 1.0), 0.35)), "mirror"),
)
_THINGS = (
    Sign("CASA", Hand("flat", "chest", "roof", _go((-0.6, 0.7, 0.0), 0.45)), "mirror"),
    Sign("LIBRO", Hand("flat", "centre", "front_across", _go(ASIDE, 0.2, 2.4)), "mirror"),
    Sign("CARTA", Hand("thumb", "chest", "across_down", _go(DOWN, 0.5)), _PALM),
    Sign(
        "PAN",
        Hand("flat", "centre", "front_across", _tap(DOWN)),
        Hand("fist", "near", "across_down"),
    ),
    Sign("MANZANA", Hand("hook", "cheek", "up_back", Movement("wag", turn=1.0))),
    Sign("LECHE", Hand("C", "near", "up_across", _go(DOWN, 0.3), "fist")),
    Sign("AGUA", Hand("W", "chin", "up_across", _tap((0.5, 0.0, 0.8)))),
    Sign("PERRO", Hand("claw", "belly", "down_back", _tap((0.6, -0.6, 0.3), 0.22))),
    Sign("GATO", Hand("pinch", "cheek", "up_across", Movement("wag", ASIDE, 0.12))),
    Sign("AUTO", Hand("fist", "near", "up_across", Movement("circle", size=0.13)), "alternate"),
    Sign("ESCUELA", Hand("flat", "centre", "across_down", _tap(DOWN, 0.25)), _PALM),
    Sign("MERCADO", Hand("O", "near", "down_back", Movement("wag", ASIDE, 0.13)), "mirror"),
)
_QUALITIES = (
    Sign("GRANDE", Hand("L", "near", "up_front", _go(ASIDE, 0.6)), "mirror", mouth=0.8),
    Sign("NUEVO", Hand("C", "centre", "across_up", Movement("arc", ACROSS, 0.45)), _PALM),
    Sign("ROJO", Hand("index", "mouth", "up_back", _go(DOWN, 0.22))),
    Sign("FRIO", Hand("fist", "shoulder", "up_across", Movement("wag", ASIDE, 0.08)), "mirror"),
)
_MARKERS = (
    Sign("NO", Hand("index", "high", "up_front", Movement("wag", ACROSS, 0.14)), shake=0.35),
    Sign("PREGUNTA", Hand("L", "chin", "up_back", _go((-0.3, 0.0, -0.9), 0.3)), brows=1.0),
)

SIGNS: dict[str, Sign] = {
    sign.gloss: sign for sign in _TIME + _PEOPLE + _VERBS + _THINGS + _QUALITIES + _MARKERS
}
GLOSSES: tuple[str, ...] = tuple(sorted(SIGNS))
