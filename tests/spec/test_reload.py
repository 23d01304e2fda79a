"""What a running proxy takes over when its settings are read again."""

from dataclasses import fields, replace

from proxy.spec.proxy import ListenAddress, ProxySpec
from proxy.spec.reload import reload
from proxy.spec.settings import SETTINGS

BEFORE = ProxySpec()


def test_same_settings_change_nothing() -> None:
    step = reload(BEFORE, ProxySpec())
    assert (step.spec, step.changed, step.kept) == (BEFORE, (), ())


def test_what_can_change_while_it_runs_is_taken_over() -> None:
    wanted = replace(BEFORE, drain=5.0, forwarded=True, max_head=1024)
    step = reload(BEFORE, wanted)
    assert step.spec == wanted
    assert set(step.changed) == {"drain", "forwarded", "max-head"}
    assert step.kept == ()


def test_what_needs_a_new_start_is_kept_and_named() -> None:
    wanted = replace(BEFORE, listen=(ListenAddress("", 81),), workers=4, min_rate=1)
    step = reload(BEFORE, wanted)
    assert step.spec == replace(BEFORE, min_rate=1)
    assert step.changed == ("min-rate",)
    assert set(step.kept) == {"listen", "workers"}


def test_every_field_is_one_of_a_setting() -> None:
    assert {field.name for field in fields(ProxySpec)} == {setting.field for setting in SETTINGS.values()}
