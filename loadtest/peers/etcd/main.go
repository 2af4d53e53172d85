// etcd as the load test's peer, and a load on it by its own client.
//
//	etcd server ARGS...            the server, with etcd's own arguments
//	etcd load  FLAGS               puts or linearizable reads in a closed loop; a line of JSON
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("say server or load"))
	}
	switch os.Args[1] {
	case "server":
		etcdmain.Main(append([]string{"etcd"}, os.Args[2:]...))
	case "load":
		load(os.Args[2:])
	default:
		fail(fmt.Errorf("%q is neither server nor load", os.Args[1]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "etcd:", err)
	os.Exit(1)
}

// What a run came to; times in microseconds.
type report struct {
	Operations uint64  `json:"operations"`
	Seconds    float64 `json:"seconds"`
	P50        int64   `json:"p50_us"`
	P99        int64   `json:"p99_us"`
}

// The server that leads, alone: a client of another one would have its puts go a hop further. All of
// them, if none says that it leads.
func leader(servers []string) []string {
	client, err := clientv3.New(clientv3.Config{Endpoints: servers, DialTimeout: 10 * time.Second})
	if err != nil {
		fail(err)
	}
	defer client.Close()
	for _, server := range servers {
		limit, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		status, err := client.Status(limit, server)
		cancel()
		if err == nil && status.Leader == status.Header.MemberId {
			return []string{server}
		}
	}
	return servers
}

func load(arguments []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	endpoints := flags.String("endpoints", "", "the servers, with commas between them")
	clients := flags.Int("clients", 64, "operations under way at once")
	connections := flags.Int("connections", 8, "connections that they share")
	seconds := flags.Float64("seconds", 10, "how long it is measured")
	warmUp := flags.Float64("warm-up", 2, "how long it runs before")
	size := flags.Int("size", 200, "bytes of a value")
	read := flags.Bool("read", false, "linearizable reads instead of puts")
	if err := flags.Parse(arguments); err != nil {
		fail(err)
	}
	servers := leader(strings.Split(*endpoints, ","))
	var conns []*clientv3.Client
	for range *connections {
		conn, err := clientv3.New(clientv3.Config{Endpoints: servers, DialTimeout: 10 * time.Second})
		if err != nil {
			fail(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	value := make([]byte, *size)
	if _, err := rand.Read(value); err != nil {
		fail(err)
	}
	if _, err := conns[0].Put(context.Background(), "0", string(value)); err != nil {
		fail(err)
	}
	var measuring, ended atomic.Bool
	times := make([][]int64, *clients)
	var clientsDone sync.WaitGroup
	for client := range *clients {
		clientsDone.Add(1)
		go func() {
			defer clientsDone.Done()
			conn := conns[client%len(conns)]
			for turn := 0; !ended.Load(); turn++ {
				began := time.Now()
				var err error
				if *read {
					_, err = conn.Get(context.Background(), "0")
				} else {
					key := fmt.Sprintf("%d/%d", client, turn%1000)
					_, err = conn.Put(context.Background(), key, string(value))
				}
				if err != nil {
					fail(err)
				}
				if measuring.Load() && !ended.Load() {
					times[client] = append(times[client], time.Since(began).Microseconds())
				}
			}
		}()
	}
	time.Sleep(time.Duration(*warmUp * float64(time.Second)))
	began := time.Now()
	measuring.Store(true)
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
	ended.Store(true)
	took := time.Since(began).Seconds()
	clientsDone.Wait()
	all := slices.Concat(times...)
	slices.Sort(all)
	if len(all) == 0 {
		fail(fmt.Errorf("no operation has ended"))
	}
	at := func(share float64) int64 { return all[min(len(all)-1, int(share*float64(len(all))))] }
	words := report{uint64(len(all)), took, at(0.5), at(0.99)}
	if err := json.NewEncoder(os.Stdout).Encode(words); err != nil {
		fail(err)
	}
}
