"""A hook of `make docs`: links from a page to files outside `docs` go to the repository."""

import re


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Rewrites links such as `../benchmarks/RESULTS.md`, which work where the files are read."""
    target = config.repo_url.rstrip("/") + "/blob/main/"
    markdown = re.sub(r"\]\(\.\./(?!\.\.)([^)]+)\)", rf"]({target}\1)", markdown)
    return re.sub(r"\]\((distributed/[^)]+)\)", rf"]({target}docs/\1)", markdown)
