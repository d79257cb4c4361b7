"""Streams block by block: the loop, its stages alone, and the WebUI's realtime window without a screen."""
