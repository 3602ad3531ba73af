"""Findings → new source: edits, imports, and the proof that they hold."""
