"""Retrieval: searching a FAISS index and building one."""
