"""What MkDocs calls while it builds the site: pages from all over the repository, equations, drawings, privacy.

Pages are written for a reader of the repository, and the site takes them as they are: a link leads to a file, an
equation is a block of ``math``.
"""

import posixpath
import re
from html import escape
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).parents[1]
# Pages that do not lie in docs/: {file in the repository: page of the site}.
PAGES = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
    'benchmarks/scaling.md': 'scaling.md',
    'tests/fixtures/metrics/calibration.md': 'calibration.md',
}
# Where the site has other files of the repository.
REST = 'repository/'
SOURCES = {page: source for source, page in PAGES.items()}
LINK = re.compile(r'(?<=\]\()(?![a-z]+:|#)([^)\s#]+)')
DRAWING = re.compile(r'<p><img alt="([^"]*)" src="[^"]*?([\w-]+\.svg)" ?/?></p>')
# What a browser fetches by itself. Links that a reader may follow are something else.
FETCHED = re.compile(r'<(?:link|script|img|iframe|source)\b[^>]*?\b(?:href|src)="((?:https?:)?//[^"]*)"')


def on_config(config: Any) -> None:
    """Let pages contain equations."""
    config.markdown_extensions.append(Equations())


def on_files(files: Any, config: Any) -> None:
    """Add the pages that do not lie in docs/, and what pages link to: examples, the licence."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    pages = list(files.documentation_pages())
    for page in pages:
        for link in LINK.findall(page.content_string):
            target = target_of(link, page.src_uri)
            place = place_of(target)
            if (ROOT / target).is_file() and not files.get_file_from_path(place):
                linked = File.generated(
                    config, place, abs_src_path=str(ROOT / target), inclusion=InclusionLevel.NOT_IN_NAV
                )
                files.append(linked)
                if linked.is_documentation_page():
                    pages.append(linked)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def linked(match: re.Match[str]) -> str:
        return posixpath.relpath(place_of(target_of(match[0], page.file.src_uri)), folder or '.')

    return LINK.sub(linked, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Put drawings into the page, where they take its colours."""

    def drawn(match: re.Match[str]) -> str:
        drawing = (ROOT / 'docs' / 'images' / match[2]).read_text()
        return f'<div class="drawing-frame" role="img" aria-label="{match[1]}">{drawing}</div>'

    return DRAWING.sub(drawn, html)


def on_post_page(output: str, page: Any, **_: Any) -> None:
    """Refuse pages that make the reader's browser ask other servers."""
    fetched = FETCHED.findall(output)
    if fetched:
        raise PluginError(f'{page.file.src_uri} fetches {", ".join(fetched)}: pages must work without a network')


def target_of(link: str, page: str) -> str:
    """File in the repository that a link of a page leads to."""
    source = SOURCES.get(page) or (page.removeprefix(REST) if page.startswith(REST) else f'docs/{page}')
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def place_of(target: str) -> str:
    """Place in the site of a file of the repository."""
    if target in PAGES:
        return PAGES[target]
    return target.removeprefix('docs/') if target.startswith('docs/') else REST + target


class Equations(Extension):
    """Equations as MathML: blocks of ``math`` and, in a line, $`x`$, as GitHub has them. Browsers need no script."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Register the parts."""
        md.preprocessors.register(EquationBlocks(md), 'equation_blocks', 27)  # before other fenced blocks
        md.inlinePatterns.register(InlineEquation(r'\$`([^`]+)`\$', md), 'inline_equation', 195)  # before code


class EquationBlocks(Preprocessor):
    """Blocks that are fenced as ``math``."""

    def run(self, lines: list[str]) -> list[str]:
        """Convert the blocks of a page."""

        def converted(match: re.Match[str]) -> str:
            equation = convert(match[1].strip(), display='block')
            html = f'<div class="equation" tabindex="0" aria-label="{escape(match[1].strip())}">{equation}</div>'
            return f'\n{self.md.htmlStash.store(html)}\n'

        return re.sub(r'^```math\n(.*?)^```$', converted, '\n'.join(lines), flags=re.MULTILINE | re.DOTALL).split('\n')


class InlineEquation(InlineProcessor):
    """An equation in a line of text."""

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # noqa: N802
        """Convert one equation."""
        return self.md.htmlStash.store(convert(m[1])), m.start(0), m.end(0)
