package token

// CacheSize returns how many verified tokens are remembered.
func (v *Verifier) CacheSize() int {
	n := 0
	for i := range v.cache.shards {
		v.cache.shards[i].mu.RLock()
		n += len(v.cache.shards[i].tokens)
		v.cache.shards[i].mu.RUnlock()
	}
	return n
}
