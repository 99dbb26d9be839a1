"""`kubebox doctor`: what a cluster gives and lacks, each with its consequence."""
