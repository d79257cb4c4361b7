"""HTML pages made from verdicts and traces. This package judges nothing: every state on a page is the judge's."""
