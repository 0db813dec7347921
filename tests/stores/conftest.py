"""Fixtures for tests of stores: real servers, started once, and a place of its own on each for a test."""

from __future__ import annotations

import pytest
from servers import (
    azure_place,
    azurite_server,
    http_place,
    hub_place,
    moto_server,
    nginx_server,
    s3_place,
)

KINDS = ("s3", "azure", "http", "hub")


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    with azurite_server(tmp_path_factory.mktemp("azurite")) as url:
        yield url


@pytest.fixture(scope="session")
def nginx(tmp_path_factory):
    with nginx_server(tmp_path_factory.mktemp("nginx")) as found:
        yield found


@pytest.fixture
def s3(moto):
    with s3_place(moto) as place:
        yield place


@pytest.fixture
def azure(azurite):
    with azure_place(azurite) as place:
        yield place


@pytest.fixture
def web(nginx):
    with http_place(*nginx) as place:
        yield place


@pytest.fixture
def repository(hub):
    with hub_place(hub) as place:
        yield place


_FIXTURES = dict(zip(KINDS, ("s3", "azure", "web", "repository"), strict=True))


@pytest.fixture(params=KINDS)
def place(request):
    """A folder on each kind of server in turn."""
    return request.getfixturevalue(_FIXTURES[request.param])


@pytest.fixture(params=KINDS[:2])
def bucket(request):
    """A folder on each kind of server that can be written to."""
    return request.getfixturevalue(_FIXTURES[request.param])
