// Referrers is a registry that has the referrers API (distribution-spec 1.1),
// which Debian's docker-registry has not. It keeps everything in memory,
// listens on a free port of 127.0.0.1 and prints HOST:PORT when it does.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	s := &http.Server{Handler: ociserver.New(ocimem.New(), nil), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(s.Serve(l))
}
