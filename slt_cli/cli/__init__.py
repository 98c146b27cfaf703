"""Thin Typer commands: parse, load settings, call one pipeline, render. Never imports torch."""
