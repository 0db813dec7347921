"""From an address to a split: where samples are looked for, and what is said when they are not there."""

import socket

import pytest
from made import write
from writing import main_json, name_of, write_main

from mlstac_hf import (
    Collection,
    CollectionNotFoundError,
    CollectionWarning,
    InvalidCollectionError,
    LinkRefusedError,
    MissingSampleError,
    StoreError,
    UnknownNameError,
    load,
    open_collection,
)
from mlstac_hf._reading import open_split, origin_of


def remote(server, made):
    return f"{server.url}/{made.folder.relative_to(server.folder)}/main.json"


def test_a_split_the_collection_does_not_have_is_named_with_those_it_has(collection):
    with pytest.raises(UnknownNameError, match="one of the splits train, validation, test, got 'valid'"):
        load(collection.address, "numpy", split="valid")


def test_a_collection_built_in_code_lies_nowhere_yet():
    collection = Collection(id="x", splits={})
    with pytest.raises(InvalidCollectionError, match="not opened from an address"):
        origin_of(collection)
    with pytest.raises(InvalidCollectionError, match="not opened from an address"):
        load(collection, "numpy")


def test_samples_in_a_folder_called_val_are_the_validation_split(collection):
    (collection.folder / "validation").rename(collection.folder / "val")
    assert len(load(collection.address, "numpy", split="validation")) == 3


def test_samples_beside_main_json_win_over_the_link(collection, tmp_path):
    collection.document["ml:train"]["link"] = (tmp_path / "never looked at").as_uri()
    write_main(collection.folder, collection.document)
    assert len(load(collection.address, "numpy")) == 5


def test_no_samples_says_where_was_looked(tmp_path):
    write_main(tmp_path, main_json({"train": 3}, links={"train": "chips"}))
    (tmp_path / "train").mkdir()
    with pytest.raises(CollectionNotFoundError) as caught:
        load(tmp_path, "numpy")
    message = str(caught.value)
    assert f"{tmp_path}/train/" in message
    assert f"{tmp_path}/chips" in message
    assert "main.json claims 3" in message


def test_an_empty_folder_and_a_link_to_a_host_nobody_knows_is_one_clear_error(tmp_path, monkeypatch):
    write_main(tmp_path, main_json({"train": 3}))
    (tmp_path / "train").mkdir()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "not known")))
    with pytest.raises((CollectionNotFoundError, StoreError), match=str(tmp_path / "train")):
        load(tmp_path, "numpy")


def test_an_empty_split_needs_no_network(tmp_path, monkeypatch):
    write_main(tmp_path, main_json({"train": 0}))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "not known")))
    assert len(load(tmp_path, "numpy")) == 0


def test_containers_that_are_nowhere_are_named_with_the_places_looked_at(tmp_path):
    write_main(tmp_path, {"ml_catalog": {"train": {"data_files": ["a.mlstac"]}}})
    with pytest.raises(CollectionNotFoundError, match=rf"looked in {tmp_path}/train/.* for a\.mlstac"):
        load(tmp_path, "numpy")


def test_main_json_that_cannot_be_read_is_named_with_its_place(tmp_path):
    (tmp_path / "main.json").write_text('{"id": ')
    with pytest.raises(InvalidCollectionError, match=rf"^{tmp_path}/main\.json: "):
        open_collection(tmp_path)


def test_over_http_every_sample_is_what_it_is_on_disk(collection, server):
    for split, samples in collection.splits.items():
        fetched = load(remote(server, collection), "numpy", split=split)
        assert len(fetched) == len(samples)
        for index, made in enumerate(samples):
            assert {k: v.tobytes() for k, v in fetched[index].items()} == {
                k: v.tobytes() for k, v in made.shown.items()
            }
            assert fetched.metadata[index] == made.typed


def test_over_http_main_json_says_how_many_and_a_missing_one_is_named(collection, server):
    collection.document["ml:train"]["n_items"] = 7
    write_main(collection.folder, collection.document)
    (collection.folder / "train" / "0000003.safetensors").unlink()
    split = load(remote(server, collection), "numpy")
    assert len(split) == 7
    for index in (2, 5, 6):
        with pytest.raises(MissingSampleError, match=rf"train/{name_of(index)}.*\(sample {index}\).*{server.url}"):
            split[index]
    assert split[4]["input"].tobytes() == collection.splits["train"][4].shown["input"].tobytes()


@pytest.mark.parametrize("gone", [0, 4])
def test_over_http_a_missing_first_or_last_sample_spoils_only_itself(collection, server, gone):
    (collection.folder / "train" / f"{name_of(gone)}.safetensors").unlink()
    split = load(remote(server, collection), "numpy")
    with pytest.raises(MissingSampleError):
        split[gone]
    assert split[2]["input"].tobytes() == collection.splits["train"][2].shown["input"].tobytes()


def test_over_http_plain_and_compressed_files_may_stand_side_by_side(tmp_path, server):
    from writing import pack_single

    made = write(tmp_path, __import__("made").image_and_mask)
    path = tmp_path / "train" / "0000002.safetensors"
    path.with_name("0000002.safetensors.gz").write_bytes(pack_single(path.read_bytes()))
    path.unlink()
    split = load(f"{server.url}/main.json", "numpy")
    for index, sample in enumerate(made.splits["train"]):
        assert split[index]["input"].tobytes() == sample.shown["input"].tobytes()


@pytest.mark.parametrize("claim", [None, -1, "many", float("nan")])
def test_over_http_a_count_that_is_no_number_is_an_error_that_names_it(collection, server, claim):
    collection.document["ml:train"]["n_items"] = claim
    write_main(collection.folder, collection.document)
    with pytest.raises(InvalidCollectionError, match="n_items of split 'train'"):
        load(remote(server, collection), "numpy")


def test_over_http_an_absurd_count_costs_nothing_until_a_sample_is_asked_for(collection, server):
    collection.document["ml:train"]["n_items"] = 10**12
    write_main(collection.folder, collection.document)
    split = load(remote(server, collection), "numpy")
    assert len(split) == 10**12
    assert split[4]["target"].tobytes() == collection.splits["train"][4].shown["target"].tobytes()
    with pytest.raises(MissingSampleError):
        split[10**12 - 1]
    assert len(split[2:4]["input"]) == 2
    with pytest.raises(InvalidCollectionError, match="claims 1000000000000 samples"):
        open_split(open_collection(remote(server, collection)), "train").fingerprint()


def test_over_http_the_fingerprint_sees_a_changed_sample(collection, server):
    read = lambda: open_split(open_collection(remote(server, collection)), "train").fingerprint()
    before = read()
    assert read() == before
    path = collection.folder / "train" / "0000002.safetensors"
    path.write_bytes(path.read_bytes() + b"!")
    changed = read()
    path.unlink()
    assert len({before, changed, read()}) == 3
    assert not any(method == "GET" and path.endswith("safetensors") for method, path, _ in server.requests)


def test_over_http_no_samples_says_where_was_looked(server, tmp_path):
    write_main(tmp_path, main_json({"train": 3}, links={"train": "chips/"}))
    with pytest.raises(CollectionNotFoundError, match=f"{server.url}/train/ and {server.url}/chips/"):
        load(f"{server.url}/main.json", "numpy")


def test_a_failing_server_is_no_missing_sample(collection, server):
    split = load(remote(server, collection), "numpy")
    server.tricks["*"] = lambda request: request.answer(400, b"no")
    with pytest.raises(StoreError, match="answers 400"):
        split[2]


def test_options_given_with_an_open_collection_are_heeded(tmp_path):
    from made import relative_link_outside

    made = relative_link_outside(tmp_path)
    opened = open_collection(made.address)
    with pytest.raises(LinkRefusedError, match="trust_links=True"):
        load(opened, "numpy")
    assert len(load(opened, "numpy", trust_links=True)) == 5
    with pytest.raises(LinkRefusedError, match="trust_links=True"):
        load(opened, "numpy")


def test_a_changed_copy_of_an_open_collection_still_knows_its_samples(collection):
    opened = open_collection(collection.address).model_copy(update={"title": "new"})
    assert len(load(opened, "numpy")) == 5


def test_what_main_json_says_and_nobody_can_read_is_told(collection):
    write_main(collection.folder, {**collection.document, "ml:task": 7})
    with pytest.warns(CollectionWarning, match=r"main\.json: 'ml:task' cannot be read and is left out"):
        assert open_collection(collection.folder).task == ()
