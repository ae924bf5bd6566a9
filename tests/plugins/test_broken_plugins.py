"""Plugins that are at fault: each fails alone, with its cause, and contributes nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from zoo.errors import PluginLoadError, UnknownNameError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from conftest import Site

_IMPORTS = "from zoo.contracts import Head\nfrom zoo.hookspecs import hookimpl\n"
_GOOD = "Head(name='half', title='A head', build=lambda feature_shape, classes: None)"
_HOOK = f"{_IMPORTS}@hookimpl\ndef zoo_heads():\n    "

BROKEN = {
    "import error": ("import no_such_dependency", "ModuleNotFoundError: No module named 'no_such_dependency'"),
    "chained import error": (
        "try:\n    import no_such_dependency\nexcept ImportError as e:\n    raise RuntimeError('not set up') from e",
        "RuntimeError: not set up (caused by ModuleNotFoundError: No module named 'no_such_dependency')",
    ),
    "hidden import error": (
        "try:\n    import no_such_dependency\nexcept ImportError:\n    raise ImportError('needs an extra') from None",
        "ImportError: needs an extra (caused by ModuleNotFoundError: No module named 'no_such_dependency')",
    ),
    "syntax error": ("def broken(:\n", "SyntaxError: invalid syntax (broken_code.py, line 1)"),
    "exit": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "exit in a hook": (f"{_HOOK}raise SystemExit('bye')", "SystemExit: bye"),
    "panic": ("class Panic(BaseException): pass\nraise Panic('in\\nrust')", "Panic: in rust"),
    "unreadable message": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
        "Odd: (its message cannot be read)",
    ),
    "hook raises": (f"{_HOOK}raise OSError('no disk')", "OSError: no disk"),
    "hook returns text": (f"{_HOOK}return 'gap'", "zoo_heads returned str 'gap'."),
    "hook returns nothing": (f"{_HOOK}[]", "zoo_heads returned None (is a `return` missing?)."),
    "hook is a generator": (f"{_HOOK}yield {_GOOD}", "zoo_heads returned a generator."),
    "hook returns a class": (f"{_HOOK}return [Head]", "zoo_heads returned the class Head itself at position 0."),
    "hook takes an argument": (
        f"{_IMPORTS}@hookimpl\ndef zoo_heads(config):\n    return []",
        "Argument(s) {'config'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "misspelt hook": (
        f"{_IMPORTS}@hookimpl\ndef zoo_headz():\n    return []",
        "implements 'zoo_headz', which is no hook. Did you mean zoo_heads? The hooks are zoo_sources, zoo_backbones,",
    ),
    "unmarked hook": ("def zoo_heads():\n    return []", "defines zoo_heads without the mark of a hook."),
    "no hook": ("x = 1", "implements no hook."),
    "wrapper": (
        f"{_IMPORTS}@hookimpl(wrapper=True)\ndef zoo_heads():\n    return (yield)",
        "zoo_heads is a hook wrapper",
    ),
    "newer level": ("ZOO_API_LEVEL = 99", "written for level 99 of the plugin contracts; this keras-zoo has level 1."),
    "odd level": ("ZOO_API_LEVEL = '1'", "ZOO_API_LEVEL must be a whole number, not '1'."),
    "fails half-way": (
        f"{_HOOK}return [{_GOOD}]\n@hookimpl\ndef zoo_policies():\n    raise KeyError('late')",
        "KeyError: 'late'",
    ),
    "one bad record": (f"{_HOOK}return [{_GOOD}, 7]", "zoo_heads returned int 7 at position 1."),
}


@pytest.mark.parametrize(("code", "cause"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_fails_alone(site: Site, code: str, cause: str) -> None:
    """A plugin that fails in any way is a record with its cause, adds nothing and harms no other."""
    site.install("broken-dist", points={"broken": "broken_code"}, modules={"broken_code": code})
    site.head("good-dist", head="good-head")
    catalog = load_catalog()
    record = next(one for one in catalog.plugins if one.distribution == "broken-dist")
    assert (record.name, record.version, record.status, record.items) == ("broken", "1.0", "failed", ())
    assert cause in record.cause
    assert "\n" not in record.cause
    assert record.traceback.startswith("Traceback")
    assert "half" not in catalog.names("head")
    assert catalog.head("good-head").title == "A head"
    assert catalog.origin("head", "good-head") == "good-dist 1.0 (entry point good-dist)"


@pytest.mark.parametrize("value", ["no_such_module", "good_code:absent", "not a module!", "good_code:nothing"])
def test_an_entry_point_that_leads_nowhere_fails_alone(site: Site, value: str) -> None:
    """An entry point without module, attribute or sense, or that gives None, is a failure of its plugin."""
    site.install("lost-dist", points={"lost": value}, modules={"good_code": "nothing = None"})
    record = next(one for one in load_catalog().plugins if one.distribution == "lost-dist")
    assert record.status == "failed"
    assert record.cause


def test_ctrl_c_passes(site: Site) -> None:
    """The person who interrupts a slow import is heard."""
    site.install("slow-dist", points={"slow": "slow_code"}, modules={"slow_code": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        load_catalog()


def test_warnings_are_no_failures(site: Site) -> None:
    """Under `-W error` a plugin that warns still loads, its warning is shown, and the filters are as before."""
    code = "import warnings\nwarnings.warn('old API')\nfrom warned_head import zoo_heads"
    good = "from zoo.hookspecs import hookimpl\n@hookimpl\ndef zoo_heads():\n    return []\n"
    site.install("warn-dist", points={"warn": "warn_code"}, modules={"warn_code": code, "warned_head": good})
    with pytest.warns(UserWarning, match="old API"):  # noqa: PT031 — the filter is set inside, where it counts
        warnings.simplefilter("error")
        catalog = load_catalog()
        assert warnings.filters[0][0] == "error"
    record = next(one for one in catalog.plugins if one.distribution == "warn-dist")
    assert (record.status, record.cause) == ("loaded", "")


def test_what_a_plugin_prints_does_not_reach_the_output(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A greeting at import goes to stderr, so that `--json` stays JSON."""
    site.install("loud-dist", points={"loud": "loud_code"}, modules={"loud_code": "print('hello')"})
    load_catalog()
    captured = capsys.readouterr()
    assert (captured.out, "hello" in captured.err) == ("", True)


def test_strict_lists_all_failures(site: Site) -> None:
    """Strict mode names every failed plugin with its cause."""
    site.install("first-dist", points={"first": "first_code"}, modules={"first_code": "1/0"})
    site.install("second-dist", points={"second": "second_code"}, modules={"second_code": "import nowhere_at_all"})
    with pytest.raises(PluginLoadError) as caught:
        load_catalog(strict=True)
    assert "plugin 'first' of distribution 'first-dist': ZeroDivisionError: division by zero" in caught.value.message
    assert "plugin 'second' of distribution 'second-dist': ModuleNotFoundError" in caught.value.message
    assert caught.value.exit_code == 3


def test_an_unknown_name_points_to_failed_plugins(site: Site) -> None:
    """Who asks for what a broken plugin would have provided is told that it is broken."""
    site.install("broken-dist", points={"broken": "broken_code"}, modules={"broken_code": "import absent_library"})
    with pytest.raises(UnknownNameError) as caught:
        load_catalog().backbone("lite9")
    assert (
        "The plugin 'broken' of distribution 'broken-dist' failed to load: "
        "ModuleNotFoundError: No module named 'absent_library'; see `zoo plugins`." in caught.value.hint
    )


def test_an_optional_hook_of_another_version_is_left_alone(site: Site) -> None:
    """A hook that its author marks optional may be unknown here."""
    code = (
        "from zoo.hookspecs import hookimpl\n@hookimpl(optionalhook=True)\ndef zoo_trackers():\n    return [1]\n"
        "@hookimpl\ndef zoo_heads():\n    return []\n"
    )
    site.install("new-dist", points={"new": "new_code"}, modules={"new_code": code})
    record = next(one for one in load_catalog().plugins if one.distribution == "new-dist")
    assert (record.status, record.cause) == ("loaded", "")


def test_an_object_may_be_a_plugin(site: Site) -> None:
    """An entry point may name an object with methods; its level may stand in its module."""
    code = (
        "ZOO_API_LEVEL = 1\nfrom zoo.hookspecs import hookimpl\nfrom zoo.contracts import Head\n"
        f"class Plugin:\n    @hookimpl\n    def zoo_heads(self):\n        return [{_GOOD}]\nplugin = Plugin()\n"
    )
    site.install("object-dist", points={"object": "object_code:plugin"}, modules={"object_code": code})
    assert load_catalog().origin("head", "half") == "object-dist 1.0 (entry point object)"


def test_the_level_of_the_module_counts_for_its_object(site: Site) -> None:
    """An object whose module declares another level is refused."""
    code = (
        "ZOO_API_LEVEL = 0\nfrom zoo.hookspecs import hookimpl\n"
        "class Plugin:\n    @hookimpl\n    def zoo_heads(self):\n        return []\nplugin = Plugin()\n"
    )
    site.install("old-dist", points={"old": "old_code:plugin"}, modules={"old_code": code})
    record = next(one for one in load_catalog().plugins if one.distribution == "old-dist")
    assert (record.status, record.api_level) == ("failed", 0)
    assert record.cause.endswith("Update the plugin.")
