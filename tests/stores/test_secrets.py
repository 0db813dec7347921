"""Credentials in the words of others, however they are spelled."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._stores._secrets import hide, sendable

SECRETS = st.text("abcXYZ0189/+=%&;: ", min_size=8).filter(str.strip)


@given(SECRETS, st.sampled_from([str, quote, quote_plus, lambda text: quote(text, safe="")]))
def test_an_option_is_hidden_however_deep_and_however_spelled(secret, spelled):
    for options in (
        {"secret": secret},
        {"client_kwargs": {"aws_secret_access_key": secret}},
        {"s3": {"list": [{"token": secret.encode()}]}},
    ):
        told = f"<{spelled(secret)}> and <{spelled(secret).lower()}>"
        assert spelled(secret).lower() not in hide(told, options).lower()


@pytest.mark.parametrize(
    "text",
    [
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=hush%2F2026&X-Amz-Signature=hush&x=1",
        "https://b.s3.amazonaws.com/k?X-Amz-Security-Token=hush",
        "next=https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3Dhush%26x%3D1",
        "https://a.blob.core.windows.net/c/b?sv=2024&sig=hush%2Bhush&se=1",
        "https://storage.googleapis.com/b/o?X-Goog-Signature=hush",
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=hush/hush==;EndpointSuffix=x",
        "BlobEndpoint=https://x/;SharedAccessSignature=sv=1&sig=hush",
        "Authorization: AWS4-HMAC-SHA256 Credential=hush/2026/x, Signature=hushhush",
        "Authorization: SharedKey me:hushhush=",
        "{'Authorization': 'Bearer hushhush'}",
        "sftp://me:hush@host/x",
        "sftp://me:h@hush@host/x",
        "http://hush@host/x",
        "HTTPS://hush@host/x",
        "http://me:h@hush@host/x",
        "http://me:h/hush@host/x",
        "http://me:h?hush/h@hush@host/x",
        "https://host/x?api_key=hush&access_key=hush&Key=hush&auth=hush",
        "https://host/x?subscription-key=hush;pwd=hush",
        "next=https%3A%2F%2Fb%2Fk%3Fkey%3Dhush%26auth%3Dhush",
        "?access_token=hush",
        "password=hush",
    ],
)
def test_what_looks_like_a_signature_is_hidden_whoever_gave_it(text):
    assert "hush" not in hide(text)
    assert "hush" not in hide(json.dumps({"error": text}))


def test_what_tells_where_the_trouble_is_stays():
    options = {
        "key": "AKIA",
        "endpoint_url": "http://127.0.0.1:9000",
        "client_kwargs": {"region_name": "eu-central-1"},
        "account_name": "ponds",
        "token": "anon",
        "anon": True,
        "retries": 3,
    }
    told = "http://127.0.0.1:9000/b/k in eu-central-1 of ponds as anon: Keyerror AKIA, sign=1, signed by x"
    assert hide(told, options) == told.replace("AKIA", "…")


@pytest.mark.parametrize(
    "address",
    [
        "http://host/tree/v1@2/x",
        "http://host:8080/tree/v1@2/x",
        "http://[::1]:8080/tree/v1@2/x",
        "https://host/x?monkey=1&author=me",
        "abfs://container@account.dfs.core.windows.net/x",
        "s3://b/tree/v1@2/key=3/x",
        "zip://main.json::s3://b/v1@2/x",
        "hf://datasets/user/repo@v1/x",
    ],
)
def test_an_address_without_credentials_stays(address):
    assert hide(address) == address


def test_the_parts_of_a_connection_string_are_hidden_and_its_protocol_is_not():
    options = {"connection_string": "DefaultEndpointsProtocol=http;AccountName=me;AccountKey=hu/sh==;"}
    assert hide("http says hu/sh== and hu%2Fsh%3D%3D of me", options) == "http says … and … of me"


def test_what_the_environment_holds_is_hidden(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hu/sh")
    assert hide("it is hu/sh, hu%2fsh") == "it is …, …"


@pytest.mark.parametrize("token", ["hush", " hush", "hush\n", "\thush\r\n"])
def test_a_token_is_sent_without_the_blanks_around_it(token):
    assert sendable(token) == "hush"


@pytest.mark.parametrize("token", [None, "", " \n"])
def test_no_token_is_none(token):
    assert sendable(token) is None


@pytest.mark.parametrize("token", ["hush\nhush", "hush€hush", "hush\0", "hüsh"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token):
    with pytest.raises(ValueError, match=r"token: expected printable ASCII.*Copy it again") as caught:
        sendable(token)
    assert token[:2] not in str(caught.value)


def test_a_token_that_is_no_text_is_refused():
    with pytest.raises(TypeError, match="expected a text, got bool"):
        sendable(True)
