"""The codes of findings: what each means, and what to do about it. docs/validate.md is this table, for people.

The letter is the severity. An error: a reader stops, or gets the wrong bytes, samples or labels. A warning: it can be
read, and something in it is untrue or suspicious. A note: a fact worth knowing. Codes are never used again for
something else.
"""

from __future__ import annotations

from typing import NamedTuple

from mlstac_hf._validate._report import Severity

SEVERITIES: dict[str, Severity] = {"E": "error", "W": "warning", "N": "note"}


class Code(NamedTuple):
    """One row of the table."""

    title: str
    remedy: str


_FETCH = "Fetch the file anew, or write the sample again."
_MEND = "Mend main.json."
_TABLE = "Write metadata.parquet anew from the containers' headers."

CODES: dict[str, Code] = {
    # the collection as a whole
    "E101": Code("nothing to validate at the address", "Give the path, URL or Hub id of main.json or its folder."),
    "E102": Code("main.json cannot be read", "Save main.json as a JSON object in UTF-8."),
    "E103": Code("the network, the disk or the bucket failed", "Try again; the collection may be sound."),
    "E104": Code("cannot be opened without a package that is not installed", "Install what the message names."),
    "E105": Code("a link or path leads where it may not", "Put the files beside main.json, or pass trust_links=True."),
    "N106": Code("which dialect main.json is written in", ""),
    "E107": Code("a field of main.json cannot be read and is left out", _MEND),
    "W108": Code("a field that every collection needs is missing or empty", _MEND),
    "W109": Code("the id cannot be the name of a folder or repository", "Choose letters, digits, '-', '_' and '.'."),
    "W110": Code("a task that is not known", "See docs/validate.md for those that are."),
    "W111": Code("the extent is no box in WGS84 longitude and latitude", "Compute it anew from the samples."),
    "W112": Code("an entry looks like a split and is passed over", "Name splits with letters, digits, '-' and '_'."),
    "W113": Code("bands share a name or an index", _MEND),
    "W114": Code("labels share a value", _MEND),
    "W115": Code("main.json could be better", "Mend main.json before you publish the collection."),
    "N116": Code("links are relative", "Only the mlstac package asks for absolute ones: write(url=…) makes them."),
    # splits and files
    "E201": Code("a split is declared and has no samples", "Put its files beside main.json, or take it out."),
    "N202": Code("one of train, validation and test is not declared", "Other readers of ML-STAC expect all three."),
    "E203": Code("n_items is no count", "Write the number of samples."),
    "E204": Code("n_items is not the number of samples that are there", "Write the number of samples."),
    "E205": Code("samples are missing between others", "Add them, or rename those that follow."),
    "W206": Code("files that are no samples by their name", "Move them out of the folder."),
    "W207": Code("samples exist both plain and compressed", "Delete one of the two."),
    "W208": Code("names that differ only in case", 'Unpack on a case-sensitive disk, or write layout="container".'),
    "W209": Code("n_items is missing", "Write it: over http, where nothing can be listed, it is what counts."),
    "E210": Code("a container that main.json lists is not there", "Add it, or take it off the list."),
    "W211": Code("a container that is there is not listed", "List it in data_files."),
    "W212": Code("a file's size is not what main.json claims", "Write its size; readers may take it for another file."),
    "E213": Code("an entry of ml_catalog is malformed", _MEND),
    # samples and their tensors
    "E301": Code("a sample cannot be read", _FETCH),
    "E302": Code("a sample is not there", "Add it, or correct n_items."),
    "E303": Code("a file's checksum is not the one that main.json has", _FETCH),
    "E304": Code("a file with a checksum is not there", "Add it, or take its checksum out."),
    "W305": Code("samples without a checksum beside others that have one", "Write mlhf:checksums anew."),
    "E310": Code("dtypes differ within a split", "Write all samples in one dtype."),
    "E311": Code("samples of a split differ in what tensors they have", "Write the same tensors in all samples."),
    "W312": Code("numbers of axes differ within a split", "Write tensors of as many axes in all samples."),
    "N313": Code("shapes differ within a split", "Batches of these are lists; crop or pad to stack them."),
    "W314": Code("splits differ in tensors, dtypes or axes", "Write all splits in one form."),
    "E315": Code("a sample is not what mlhf:schema says", "Write mlhf:schema anew."),
    "W316": Code("the number of bands is not that of the collection", _MEND),
    # place and time, as metadata has them
    "W401": Code("a CRS is no AUTHORITY:CODE", "Write it as EPSG:32633."),
    "W402": Code("a CRS that PROJ does not know", "Write one that does exist."),
    "W403": Code("a geotransform is not six finite numbers", "Write six numbers in GDAL order."),
    "W404": Code("a geotransform spans no area", "Check the order: x, width, rotation, y, rotation, height."),
    "W405": Code("an image is upside down: its rows go north", "Flip it, and write a negative pixel height."),
    "W406": Code("place or time looks invented", "Leave out what is not known; it does not have to be invented."),
    "W407": Code("a time cannot be read", "Write ISO 8601, such as 2020-05-03T10:15:30Z."),
    "W408": Code("a sample ends before it begins", "Check start_datetime and end_datetime."),
    "W409": Code("a sample is from the future", "Check start_datetime."),
    "W410": Code("a footprint is nowhere on Earth", "Check that crs and geotransform belong together."),
    "N411": Code("place or time is not known", "Selection by bbox= and datetime= passes over such samples."),
    # task, labels and values
    "W501": Code("a sample does not have the form of the task", "Check ml:task, or the sample's tensors."),
    "N502": Code("nothing says which planes are the target", "Declare mlhf:target_planes."),
    "E503": Code("values of the target are not among the labels", "Add the label, or mend the values."),
    "W504": Code("targets of a classification are no whole numbers", "Write them in an integer dtype."),
    "W505": Code("tensors hold NaN or infinite values", "Say so in the description, or fill them."),
    "N506": Code("a label occurs in no sample", ""),
    "W507": Code("class counts are not what mlhf:class_counts says", "Write mlhf:class_counts anew."),
    # doubles and leakage
    "W601": Code("an id occurs more than once in a split", "Give every sample an id of its own."),
    "W602": Code("an id occurs in more than one split", "Samples of one scene belong in one split; see resplit()."),
    "W603": Code("samples of one split hold the same input", "Leave one of them out."),
    "W604": Code("samples of two splits hold the same input", "Keep it in one of them; see resplit()."),
    "W605": Code("samples of two splits show the same ground", "Split by place: see resplit()."),
    # containers and their tables
    "E701": Code("metadata.parquet is not there", _TABLE),
    "E702": Code("metadata.parquet cannot be read", _TABLE),
    "E703": Code("metadata.parquet lacks a datapoint", _TABLE),
    "E704": Code("metadata.parquet places a datapoint elsewhere than its container", _TABLE),
    "W705": Code("metadata.parquet has rows of no datapoint", _TABLE),
    "W706": Code("metadata_length is not the length of the container's header", _TABLE),
    "W707": Code("a row says another split, or another container", _TABLE),
    "W708": Code("metadata.parquet places the raster elsewhere", _TABLE),
    "W709": Code("proj_shape is larger than the raster", _TABLE),
    "E710": Code("a container cannot be read", "Fetch the file anew."),
    # the validation itself
    "N901": Code("not checked, for lack of a package", "Install what the message names."),
    "E999": Code("a check failed by a fault of its own", "Please report it, with the collection if you can."),
}
