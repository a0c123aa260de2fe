"""The office: one aiohttp process that stores, decides, streams and supervises.

The floors, top to bottom, each importing only what lies below it: `app` and `cli`; `web` beside `supervision`;
`features`; `dispatch` beside `terminals`; `events`; `storage`; `core`.
"""

__version__ = "0.1.0"
