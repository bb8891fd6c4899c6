import re

import pytest

from ner11.errors import Ner11Error
from ner11.label_studio import labeling_config
from ner11.serving.label_studio.config import parse_config
from tests.serving.label_studio.toys import CONFIG, SCHEMA


def make_config(labels="<Label value='PER'/>", text="<Text name='text' value='$text'/>", control="name='label' toName='text'"):
    return f"<View>{text}<Labels {control}>{labels}</Labels></View>"


def test_our_own_configuration_is_understood():
    config = parse_config(labeling_config(SCHEMA))
    assert (config.from_name, config.to_name, config.key) == ("label", "text", "text")
    assert config.labels == SCHEMA.active


def test_names_and_key_are_those_of_the_configuration():
    config = parse_config(CONFIG)
    assert (config.from_name, config.to_name, config.key, config.labels) == ("ner", "words", "body", ("PER", "ORG"))


@pytest.mark.parametrize(
    ("labels", "path", "found"),
    [
        ("<Label value='PER'/>", ("PARTY", "PER"), "PER"),
        ("<Label value='per'/>", ("PARTY", "PER"), "per"),
        ("<Label value='Malware family'/>", ("MALWARE_FAMILY",), "Malware family"),
        ("<Label value='PER'/><Label value='Per'/>", ("PER",), "PER"),
        ("<Label value='Per'/><Label value='PER'/>", ("PER",), "PER"),
        ("<Label value='Person' alias='PER'/>", ("PER",), "PER"),
        ("<Label value='PER' alias='person'/>", ("PER",), "person"),
        ("<Label value='Party'/>", ("PARTY", "PER"), "Party"),
        ("<Label value='PARTY'/><Label value='per'/>", ("PARTY", "PER"), "per"),
        ("<Label value='LOC'/>", ("PARTY", "PER"), None),
        ("<Label value='人'/>", ("PARTY", "PER"), None),
    ],
)
def test_labels_are_found_by_name_then_without_case_then_above_in_the_tree(labels, path, found):
    assert parse_config(make_config(labels)).label_for(path) == found


def test_other_controls_and_elements_may_stand_beside():
    more = "<Header value='$title'/><Choices name='c' toName='text'><Choice value='x'/></Choices>"
    image = "<Image name='i' value='$i'/><Labels name='other' toName='i'><Label value='CAR'/></Labels>"
    config = parse_config(make_config().replace("<View>", f"<View>{more}").replace("</View>", f"{image}</View>"))
    assert (config.from_name, config.labels) == ("label", ("PER",))


def test_case_of_tags_and_attributes_does_not_matter():
    assert parse_config(make_config().replace("Labels", "labels").replace("toName", "toname")).from_name == "label"


ANOTHER = "<Labels name='b' toName='text'><Label value='GOOD'/></Labels>"


def test_an_encoding_that_it_declares_does_not_matter():
    xml = '<?xml version="1.0" encoding="UTF-16"?>' + make_config("<Label value='Größe'/>")
    assert parse_config(xml).labels == ("Größe",)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><View>&b;</View>'


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("", "no valid XML"),
        ("<View>", "no valid XML"),
        ("<View></View>", "it has no <Text> with a name"),
        ("<View><Text name='text' value='$text'/></View>", "it has no <Labels>"),
        (make_config(control="name='label' toName='other'"), "no <Labels> labels the <Text>"),
        (make_config(text="<HyperText name='text' value='$text'/>"), "it shows <HyperText>"),
        (make_config(text="<Paragraphs name='text' value='$text'/>"), "it shows <Paragraphs>"),
        (make_config(text="<Text name='text' value='fixed'/>"), "shows no field"),
        (make_config(text="<Text name='text' value='$'/>"), "shows no field"),
        (make_config(text="<Text name='text'/>"), "shows no field"),
        (make_config(text="<Text name='text' value='$url' valueType='url'/>"), "loads its text from an address"),
        (make_config(labels=""), "offers no <Label>"),
        (make_config(control="toName='text'"), "<Labels> has no name"),
        (make_config() + make_config(), "no valid XML"),
        (f"<View>{make_config()}{ANOTHER}</View>", "several <Labels> for a text, 'label' and 'b'"),
        (BOMB, "declares a document type"),
        ("<View>\0</View>", "no valid XML"),
        ("<View>\ud800</View>", "it has no <Text>"),
    ],
)
def test_a_wrong_configuration_has_one_clear_reason(xml, reason):
    with pytest.raises(Ner11Error, match=re.escape(reason)) as raised:
        parse_config(xml)
    assert "\n" not in str(raised.value)


def test_a_deep_configuration_is_read():
    assert parse_config("<View>" * 20_000 + make_config() + "</View>" * 20_000).key == "text"
