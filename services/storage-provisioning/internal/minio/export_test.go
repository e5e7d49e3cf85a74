package minio

// Distrust makes the backend take its connection for one that others can read.
func (b *Backend) Distrust() { b.confidential = false }
