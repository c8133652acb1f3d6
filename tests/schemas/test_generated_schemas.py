"""The generated files: no drift, samples are valid, the AsyncAPI document hangs together."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from schemas.documents import samples
from schemas.documents.asyncapi import document
from schemas.documents.generate import HERE, files, write
from schemas.topics import TOPICS

SCHEMAS = sorted((HERE / "json").glob("*.json"))
SAMPLES = sorted((HERE / "samples").glob("*.json"))


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((HERE / "json" / f"{name}.json").read_text())
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", files())
def test_the_file_is_what_the_models_say(name: str) -> None:
    advice = "run `python -m schemas.documents.generate`"
    assert (HERE / name).read_text() == files()[name], advice


def test_no_generated_file_is_left_over() -> None:
    found = {str(path.relative_to(HERE)) for path in (*SCHEMAS, *SAMPLES)}
    assert found | {"asyncapi.yaml"} == set(files())


@pytest.mark.slow
def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert len(write(tmp_path)) == len(files())
    assert write(tmp_path) == []


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_the_schema_is_a_valid_schema(path: Path) -> None:
    schema = json.loads(path.read_text())
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", samples.MESSAGES)
def test_the_sample_is_valid(name: str) -> None:
    content = json.loads((HERE / "samples" / f"{name}.json").read_text())
    validator(samples.MESSAGES[name].message_name).validate(content)


@pytest.mark.parametrize("change", [{"verdict": None}, {"rejected": "undecodable"}])
def test_the_outcome_schema_wants_one_of_verdict_and_reject(change: dict) -> None:
    content = samples.OUTCOME.model_dump(mode="json") | change
    with pytest.raises(ValidationError):
        validator("outcome").validate(content)


def test_the_frame_sample_keeps_the_header_schema() -> None:
    sample = json.loads((HERE / "samples" / "frame.json").read_text())
    validator("frame-headers").validate(sample["headers"])


@pytest.mark.parametrize("header", ["ce_camera", "ce_sequence", "content-type", "ce_time"])
def test_the_header_schema_wants_what_the_reader_wants(header: str) -> None:
    headers = json.loads((HERE / "samples" / "frame.json").read_text())["headers"]
    del headers[header]
    with pytest.raises(ValidationError, match=header):
        validator("frame-headers").validate(headers)


def test_the_header_schema_wants_the_size_of_raw_pixels() -> None:
    headers = json.loads((HERE / "samples" / "frame.json").read_text())["headers"]
    headers["content-type"] = "application/vnd.stream-inspector.raw-gray8"
    with pytest.raises(ValidationError, match="ce_width"):
        validator("frame-headers").validate(headers)


def references(node: object) -> Iterator[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def resolve(reference: str, root: dict) -> object:
    if not reference.startswith("#"):
        return json.loads((HERE / reference).read_text())
    node: object = root
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]  # type: ignore[index]
    return node


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    root = yaml.safe_load((HERE / "asyncapi.yaml").read_text())
    found = list(references(root))
    assert len(found) > 20
    assert all(resolve(reference, root) for reference in found)


def test_every_topic_is_a_channel_that_somebody_fills() -> None:
    root = document()
    assert set(root["channels"]) == {topic.name for topic in TOPICS}
    sent = [op["channel"]["$ref"] for op in root["operations"].values() if op["action"] == "send"]
    assert set(sent) == {f"#/channels/{topic.name}" for topic in TOPICS}


@pytest.mark.parametrize("name", samples.MESSAGES)
def test_the_headers_of_a_message_keep_its_asyncapi_schema(name: str) -> None:
    message = samples.MESSAGES[name]
    schema = document()["components"]["messages"][message.message_name]["headers"]
    Draft202012Validator(schema).validate(samples.as_text(message.encode().headers))


def objects(schema: dict) -> Iterator[tuple[str, dict]]:
    yield schema.get("title", ""), schema
    yield from schema.get("$defs", {}).items()


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_every_field_says_what_it_means_and_null_what_it_stands_for(path: Path) -> None:
    for name, node in objects(json.loads(path.read_text())):
        for field, about in node.get("properties", {}).items():
            text = about.get("description", "")
            assert len(text) > 3, f"{name}.{field}"
            null = {"type": "null"} in about.get("anyOf", [])
            assert null == ("null" in text) or not null, f"{name}.{field}: when is it null?"
            assert "absent" not in text or name == "Frame headers", f"{name}.{field}: it is null"


def test_lengths_scores_and_times_say_their_unit_and_space() -> None:
    units = ("pixels", "without unit", "scale", "milliseconds", "UTC")
    for path in SCHEMAS:
        for name, node in objects(json.loads(path.read_text())):
            for field, about in node.get("properties", {}).items():
                plain = about.get("anyOf", [about])[0]
                measured = plain.get("type") == "number" or plain.get("format") == "date-time"
                if measured and not field.startswith("ce_"):
                    assert any(unit in about["description"] for unit in units), f"{name}.{field}"
    box = json.loads((HERE / "json/defect.json").read_text())["$defs"]["Box"]["properties"]
    assert all("upright frame" in about["description"] for about in box.values())


def test_every_message_has_examples_that_keep_its_schemas() -> None:
    for name, message in document()["components"]["messages"].items():
        assert message["examples"], name
        for example in message["examples"]:
            if name != "frame":
                validator(name).validate(example["payload"])
                Draft202012Validator(message["headers"]).validate(example["headers"])


def test_the_logins_of_the_settings_are_security_schemes() -> None:
    root = document()
    kinds = {each["type"] for each in root["components"]["securitySchemes"].values()}
    assert kinds == {"plain", "scramSha256", "scramSha512", "X509"}
    for server in root["servers"].values():
        assert server["security"]
        assert all(resolve(each["$ref"], root) for each in server["security"])
