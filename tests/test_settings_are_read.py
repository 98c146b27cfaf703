"""A setting that nothing reads is a promise not kept: the recorder that tells, itself tested."""

from dataclasses import replace

import pytest

from slt_cli.settings.load import flat_values, load_settings
from slt_cli.settings.root import Settings, known_keys
from tests.recording import RecordingSettings


@pytest.fixture
def settings() -> RecordingSettings:
    return RecordingSettings(Settings())


def test_reading_a_field_is_noted_and_gives_the_real_value(settings):
    assert settings.optim.lr == Settings().optim.lr
    section = settings.data
    assert getattr(section, "batch_size") == Settings().data.batch_size  # noqa: B009
    assert settings.read == {"optim.lr", "data.batch_size"}


def test_looking_at_a_section_alone_is_not_reading(settings):
    assert settings.model == Settings().model
    assert settings.read == set()


def test_dumping_is_not_reading(settings):
    assert settings.model_dump(mode="json") == Settings().model_dump(mode="json")
    assert settings.optim.model_dump() == Settings().optim.model_dump()
    assert flat_values(settings) == flat_values(Settings())
    assert settings.read == set()


def test_contradictions_are_checked_on_the_real_section_unnoted(settings):
    assert list(settings.model.contradictions()) == []
    assert settings.read == set()


def test_a_field_that_does_not_exist_is_an_error_as_ever(settings):
    with pytest.raises(AttributeError):
        _ = settings.optim.learning_rate
    with pytest.raises(AttributeError):
        _ = settings.optimizer


def test_it_passes_for_settings_where_the_type_is_asked(settings):
    loaded = replace(load_settings(), settings=settings)
    assert isinstance(loaded.settings, Settings)
    assert loaded.settings.training.epochs == 40
    assert settings.read == {"training.epochs"}


def test_every_field_can_be_noted(settings):
    for key in known_keys():
        section, name = key.split(".")
        getattr(getattr(settings, section), name)
    assert settings.read == set(known_keys())
