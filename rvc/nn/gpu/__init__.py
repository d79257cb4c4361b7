"""What the networks do differently on a GPU: recurrent layers in one call, and recorded kernels."""
