"""Tests of the pages over HTTP, without a browser."""
