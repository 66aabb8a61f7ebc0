package layers

// Cache keeps layer indexes and content by verified (blob digest, diffID)
// pair, index format and limits, in a directory of mode 0700 that may be
// deleted at any time. Safe for parallel runs.
type Cache struct{}

// OpenCache uses dir (made if absent, 0700), holding at most max bytes; 0 is
// the default bound.
func OpenCache(dir string, max int64) (*Cache, error) { panic("contract") }

// CacheInfo is what a cache holds.
type CacheInfo struct {
	Dir     string `json:"dir"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Max     int64  `json:"max"`
}

// Info counts what is stored.
func (c *Cache) Info() (CacheInfo, error) { panic("contract") }

// Prune removes least recently used entries until at most max bytes remain
// and reports what was removed.
func (c *Cache) Prune(max int64) (CacheInfo, error) { panic("contract") }

func cacheKey(src *layerSource, l Limits) string                   { return "" }
func (c *Cache) load(key string, st *store, b *budget) *layerIndex { return nil }
func (c *Cache) save(key string, idx *layerIndex, sp *spool)       {}
func (c *Cache) addContent(key string, sp *spool)                  {}
