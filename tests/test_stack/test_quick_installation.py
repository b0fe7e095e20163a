"""What uv is told in pip's place, and where it is left to pip."""

import pytest

from stack.quick_installation import pinned, uv_environment

CONFIGURED = """
:env:.disable-pip-version-check='1'
:env:.find-links='/wheels https://nearer.test/wheels'
:env:.index-url='https://nearer.test/simple'
global.cert='/etc/ssl/own.crt'
global.index-url='https://far.test/simple'
install.user='true'
list.format='columns'
"""


def test_packages_come_from_where_pip_would_take_them() -> None:
    assert uv_environment(CONFIGURED) == {
        "UV_FIND_LINKS": "/wheels,https://nearer.test/wheels",
        "UV_DEFAULT_INDEX": "https://nearer.test/simple",
        "SSL_CERT_FILE": "/etc/ssl/own.crt",
    }
    assert uv_environment("") == {}


@pytest.mark.parametrize(
    "setting", ["global.client-cert='/own.pem'", ":env:.no-binary=':all:'", "install.target='/x'"]
)
def test_what_uv_would_not_follow_is_left_to_pip(setting: str) -> None:
    assert uv_environment(CONFIGURED + setting) is None


def test_uv_itself_is_installed_with_its_hashes() -> None:
    listed = "uvicorn==1\nuv==2 \\\n    --hash=sha256:a \\\n    --hash=sha256:b\nuvloop==3\n"
    assert pinned(listed, "uv") == "uv==2 \\\n    --hash=sha256:a \\\n    --hash=sha256:b"
    assert pinned(listed, "pip") == ""
