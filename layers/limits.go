package layers

// Limits bound what an image may cost; zero fields take the defaults of
// DefaultLimits.
type Limits struct {
	Entries    int   `json:"entries"`    // per image
	PathBytes  int   `json:"pathBytes"`  // 4096
	PathDepth  int   `json:"pathDepth"`  // 256
	Unpacked   int64 `json:"unpacked"`   // bytes of tar, all layers
	Ratio      int64 `json:"ratio"`      // unpacked / compressed bytes of one layer, beyond a free allowance
	XattrBytes int   `json:"xattrBytes"` // per entry
}
