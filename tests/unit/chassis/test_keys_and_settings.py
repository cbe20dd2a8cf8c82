"""A service that is set up wrongly stops at once and says what is wrong, without the secret."""

from pathlib import Path

import pytest
from chassis import ServiceSettings, load
from chassis.keys import KeyFault, Locked, Vault, read_keys

PROGRAMMES = Path(__file__).parents[3] / "deploy" / "programmes"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    empty = tmp_path / "empty.json"
    empty.write_text('{"keys": []}')
    values = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "HTTP_PORT": "8109",
        "PROGRAMMES": str(PROGRAMMES),
        "ID_KEY": "ab" * 32,
        "STORE_KEY": "cd" * 32,
        "SEALING_KEYS": str(empty),
        "TOKENS_FILE": str(empty),
    }
    for name, value in values.items():
        monkeypatch.setenv(f"PEERLINE_{name}", value)
    return values


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_PORT", "a-port"), ("HTTP_PORT", "0"), ("PROGRAMMES", "/no/such/folder"), ("LOG_LEVEL", "loud")],
)
def test_a_wrong_setting_is_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PEERLINE_{name}", value)

    with pytest.raises(SystemExit, match=f"PEERLINE_{name}"):
        load(ServiceSettings)


def test_a_missing_setting_is_named(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEERLINE_ID_KEY")

    with pytest.raises(SystemExit, match="PEERLINE_ID_KEY: Field required"):
        load(ServiceSettings)


def test_a_secret_is_read_from_the_file_that_is_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "id.key"
    secret.write_text("ef" * 32 + "\n")
    monkeypatch.delenv("PEERLINE_ID_KEY")
    monkeypatch.setenv("PEERLINE_ID_KEY_FILE", str(secret))

    assert load(ServiceSettings).id_key.get_secret_value() == "ef" * 32


def test_a_missing_secret_file_is_named(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERLINE_ID_KEY_FILE", "/no/such/key")

    with pytest.raises(SystemExit, match="/no/such/key"):
        load(ServiceSettings)


@pytest.mark.parametrize("key", ["Quillfeather", "abcd"])
def test_a_wrong_key_is_named_and_not_shown(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("PEERLINE_ID_KEY", key)

    with pytest.raises(KeyFault, match="PEERLINE_ID_KEY") as caught:
        read_keys(load(ServiceSettings))

    assert key not in str(caught.value)


def test_a_locked_value_opens_only_in_its_place() -> None:
    vault = Vault(b"k" * 32)
    locked = vault.lock(b"Quillfeather", "supporter.name/1")

    assert vault.unlock(locked, "supporter.name/1") == b"Quillfeather"
    assert b"Quillfeather" not in locked
    with pytest.raises(Locked):
        vault.unlock(locked, "supporter.name/2")
