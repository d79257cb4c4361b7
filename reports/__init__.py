"""Verdicts to pages that a person looks at and listens to. Nothing is judged here, every verdict is the judge's."""
