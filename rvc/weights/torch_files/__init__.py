"""Files of torch.save: safe unpickling, both formats of the file, and tensors that share its bytes."""
