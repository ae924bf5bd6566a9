"""keras-zoo: which backbone, head and fine-tuning policy classifies your pictures best?"""
