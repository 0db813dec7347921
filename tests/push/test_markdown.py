"""Texts of a collection in Markdown stay texts."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("huggingface_hub")
markdown_it = pytest.importorskip("markdown_it")

from mlstac_hf._push._markdown import address, beginning, fenced, inline, link, paragraphs, table  # noqa: E402

READER = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = (
    "<!-- mlstac-hf:end -->",
    "a | b\n| --- |",
    "![x](javascript:alert(1))",
    "`code` **bold** ~~gone~~",
    "---\nlicense: other\n---",
    "</td></table><script>x</script>",
    "1. one\n- two\n# three\n> four",
    "&lt;b&gt; &#60;",
    "[a]: http://x",
    "    indented",
    "\u202eback\u0000\ud800",
)


def tokens(markdown):
    return [child for token in READER.parse(markdown) for child in (token, *(token.children or ()))]


def plain(text):
    """What a text shows once blanks and what cannot be seen are aside."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@given(st.text(max_size=200) | st.sampled_from(NASTY))
@example("a" * 400)
def test_one_line(text):
    shown = inline(text, 500)
    assert "<" not in shown
    assert ">" not in shown
    assert "\n" not in shown
    found = tokens(f"x {shown} y")
    assert {token.type for token in found} <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}
    assert "".join(token.content for token in found if token.type.startswith("text")) == f"x {plain(text)} y"


@given(st.lists(st.text(max_size=40) | st.sampled_from(NASTY), min_size=3, max_size=3))
def test_cells(texts):
    html = READER.render(table(("a", "b", "c"), [[inline(text) for text in texts]], [1]))
    assert html.count("<tr>") == 2
    assert html.count("<td") == 3
    assert html.count("</table>") == 1


@given(st.lists(st.text(max_size=80) | st.sampled_from(NASTY), max_size=4))
def test_prose(texts):
    kinds = {token.type for token in tokens(paragraphs("\n\n".join(texts)))}
    assert kinds <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close", "link_open", "link_close"}


def test_addresses_in_prose_are_links():
    html = READER.render(paragraphs("See https://a.org/x_y?z=1, and *http://b.org*.\nMore.\r\n\r\n2. of it"))
    assert '<a href="https://a.org/x_y?z=1">https://a.org/x_y?z=1</a>, and *' in html
    assert html.count("<p>") == 2
    assert "<li>" not in html


@pytest.mark.parametrize("text", ["- a", "+ a", "= =", "12. a", "3) b", "---", ": a"])
def test_beginnings(text):
    assert READER.render(beginning(inline(text))) == f"<p>{text}</p>\n"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "ftp://x", "http://", "http://a b", "http://x>y", "https://x/)(", "//x", "", None, "http://x\ny",
        f"https://x/{'a' * 3000}", "http://[::1]/", "data:text/html,x",
    ],
)  # fmt: skip
def test_no_address(url):
    assert address(url) is None
    assert link("t|ext", url) == "t\\|ext"


def test_an_address():
    url = "https://doi.org/10.1/a_b?c=d&e=%20#f"
    assert address(f" {url}\n") == url
    assert (
        READER.render(link("the [paper]", url))
        == '<p><a href="https://doi.org/10.1/a_b?c=d&amp;e=%20#f">the [paper]</a></p>\n'
    )


@given(st.text(st.sampled_from("`~a\n"), max_size=60))
def test_code(code):
    (fence,) = READER.parse(fenced(code, "python"))
    assert (fence.type, fence.info, fence.content) == ("fence", "python", f"{code}\n")
