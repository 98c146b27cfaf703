"""How glosses are said in Spanish: nouns with gender, adjectives, conjugated verbs."""

from __future__ import annotations

from typing import Literal, NamedTuple

Person = Literal["1s", "2s", "3s", "1p"]
Tense = Literal["past", "present", "future"]
PERSONS: tuple[Person, ...] = ("1s", "2s", "3s", "1p")
TENSES: tuple[Tense, ...] = ("past", "present", "future")


class Noun(NamedTuple):
    """`article` is the definite one, which "agua" takes from the other gender; mass nouns go
    without an indefinite one."""

    word: str
    gender: Literal["m", "f"]
    article: str
    mass: bool = False
    qualities: tuple[str, ...] = ("GRANDE", "NUEVO", "ROJO")


NOUNS: dict[str, Noun] = {
    "CASA": Noun("casa", "f", "la"),
    "LIBRO": Noun("libro", "m", "el"),
    "CARTA": Noun("carta", "f", "la"),
    "PAN": Noun("pan", "m", "el", True, ("FRIO", "GRANDE", "NUEVO")),
    "MANZANA": Noun("manzana", "f", "la", False, ("FRIO", "GRANDE", "ROJO")),
    "LECHE": Noun("leche", "f", "la", True, ("FRIO", "NUEVO")),
    "AGUA": Noun("agua", "f", "el", True, ("FRIO", "NUEVO")),
    "PERRO": Noun("perro", "m", "el", False, ("GRANDE", "NUEVO")),
    "GATO": Noun("gato", "m", "el", False, ("GRANDE", "NUEVO")),
    "AUTO": Noun("auto", "m", "el"),
    "ESCUELA": Noun("escuela", "f", "la"),
    "MERCADO": Noun("mercado", "m", "el"),
}
ADJECTIVES: dict[str, tuple[str, str]] = {
    "GRANDE": ("grande", "grande"),
    "NUEVO": ("nuevo", "nueva"),
    "ROJO": ("rojo", "roja"),
    "FRIO": ("frío", "fría"),
}
# Pronouns are dropped, as Spanish does: the verb tells the person.
SUBJECTS: dict[str, tuple[str, Person]] = {
    "YO": ("", "1s"),
    "TU": ("", "2s"),
    "NOSOTROS": ("", "1p"),
    "MAMA": ("mi mamá", "3s"),
    "PAPA": ("mi papá", "3s"),
    "AMIGO": ("mi amigo", "3s"),
    "NIÑO": ("el niño", "3s"),
    "PROFESORA": ("la profesora", "3s"),
}
TIMES: dict[str, tuple[str, Tense]] = {
    "AYER": ("ayer", "past"),
    "HOY": ("hoy", "present"),
    "MAÑANA": ("mañana", "future"),
}


class Verb(NamedTuple):
    """A verb with its forms per tense, in the order of `PERSONS`.

    `link` says how the object follows: "definite", "indefinite", or "a" for a place to go to.
    """

    forms: dict[Tense, tuple[str, str, str, str]]
    link: Literal["definite", "indefinite", "a"]
    objects: tuple[str, ...]


def _verb(
    past: str, present: str, future: str, link: Literal["definite", "indefinite", "a"], objects: str
) -> Verb:
    stem_endings = ("é", "ás", "á", "emos")
    return Verb(
        {
            "past": _four(past),
            "present": _four(present),
            "future": _four(" ".join(future + ending for ending in stem_endings)),
        },
        link,
        tuple(objects.split()),
    )


def _four(words: str) -> tuple[str, str, str, str]:
    first, second, third, plural = words.split()
    return first, second, third, plural


VERBS: dict[str, Verb] = {
    "QUERER": _verb("quise quisiste quiso quisimos", "quiero quieres quiere queremos", "querr",
                    "indefinite", "CASA LIBRO PAN MANZANA LECHE AGUA PERRO GATO AUTO"),
    "COMER": _verb("comí comiste comió comimos", "como comes come comemos", "comer",
                   "definite", "PAN MANZANA"),
    "BEBER": _verb("bebí bebiste bebió bebimos", "bebo bebes bebe bebemos", "beber",
                   "definite", "AGUA LECHE"),
    "LEER": _verb("leí leíste leyó leímos", "leo lees lee leemos", "leer",
                  "definite", "LIBRO CARTA"),
    "COMPRAR": _verb("compré compraste compró compramos", "compro compras compra compramos",
                     "comprar", "indefinite", "CASA LIBRO PAN MANZANA LECHE AGUA AUTO"),
    "VER": _verb("vi viste vio vimos", "veo ves ve vemos", "ver",
                 "definite", "CASA CARTA AUTO ESCUELA MERCADO LIBRO"),
    "IR": _verb("fui fuiste fue fuimos", "voy vas va vamos", "ir",
                "a", "CASA ESCUELA MERCADO"),
    "TENER": _verb("tuve tuviste tuvo tuvimos", "tengo tienes tiene tenemos", "tendr",
                   "indefinite", "CASA LIBRO CARTA PERRO GATO AUTO"),
}  # fmt: skip
