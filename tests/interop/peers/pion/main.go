// Command pion is a peer for Claviger's interop tests, on pion's DTLS.
//
// It takes its task as words key=value; its keys are files of the working folder. What it reads on
// standard input it sends, a line each, and what it receives it prints. A line that begins with an
// exclamation mark is an order: !again resumes in another connection. It ends with its input.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/pion/dtls/v3"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		version()
		return
	}
	task := map[string]string{}
	for _, word := range os.Args[1:] {
		key, value, _ := strings.Cut(word, "=")
		task[key] = value
	}
	var err error
	if address, ok := task["listen"]; ok {
		err = serve(address, task)
	} else {
		err = connect(task["connect"], task)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/pion/dtls/v3" {
			fmt.Println(module.Version)
		}
	}
}

// shared are the options of both roles.
func shared(task map[string]string, side string) ([]dtls.Option, *x509.CertPool, error) {
	suite, known := suites[task["suite"]]
	if !known {
		return nil, nil, fmt.Errorf("no suite %s", task["suite"])
	}
	options := []dtls.Option{dtls.WithCipherSuites(suite)}
	if length, err := strconv.Atoi(task["cid"]); err == nil {
		options = append(options, dtls.WithConnectionIDGenerator(dtls.RandomCIDGenerator(length)))
	}
	if task["resume"] != "" {
		options = append(options, dtls.WithSessionStore(&store{kept: map[string]dtls.Session{}}))
	}
	if task["keys"] == "psk" {
		key, err := hex.DecodeString(task["psk"])
		if err != nil {
			return nil, nil, err
		}
		identity := []byte(task["identity"])
		return append(options,
			dtls.WithPSK(func([]byte) ([]byte, error) { return key, nil }),
			dtls.WithPSKIdentityHint(identity)), nil, nil
	}
	own, err := tls.LoadX509KeyPair(side+".pem", side+".key")
	if err != nil {
		return nil, nil, err
	}
	anchors := x509.NewCertPool()
	ca, err := os.ReadFile("ca.pem")
	if err != nil {
		return nil, nil, err
	}
	anchors.AppendCertsFromPEM(ca)
	return append(options, dtls.WithCertificates(own)), anchors, nil
}

var suites = map[string]dtls.CipherSuiteID{
	"TLS_PSK_WITH_AES_128_CCM_8":              dtls.TLS_PSK_WITH_AES_128_CCM_8,
	"TLS_PSK_WITH_AES_128_CCM":                dtls.TLS_PSK_WITH_AES_128_CCM,
	"TLS_PSK_WITH_AES_128_GCM_SHA256":         dtls.TLS_PSK_WITH_AES_128_GCM_SHA256,
	"TLS_PSK_WITH_AES_128_CBC_SHA256":         dtls.TLS_PSK_WITH_AES_128_CBC_SHA256,
	"TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256":   dtls.TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256,
	"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8":      dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
	"TLS_ECDHE_ECDSA_WITH_AES_128_CCM":        dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
}

func connect(address string, task map[string]string) error {
	server, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	both, anchors, err := shared(task, "client")
	if err != nil {
		return err
	}
	options := []dtls.ClientOption{dtls.WithServerName("server.test")}
	for _, option := range both {
		options = append(options, option)
	}
	if anchors != nil {
		options = append(options, dtls.WithRootCAs(anchors))
	}
	session, err := open(server, options)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() != "!again" {
			_, err = session.Write(lines.Bytes())
		} else if err = session.Close(); err == nil {
			session, err = open(server, options)
		}
		if err != nil {
			return err
		}
	}
	return session.Close()
}

func open(server *net.UDPAddr, options []dtls.ClientOption) (*dtls.Conn, error) {
	session, err := dtls.DialWithOptions("udp", server, options...)
	if err != nil {
		return nil, err
	}
	if err := session.Handshake(); err != nil {
		return nil, err
	}
	fmt.Println("open")
	go hear(session)
	return session, nil
}

func serve(address string, task map[string]string) error {
	local, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	both, anchors, err := shared(task, "server")
	if err != nil {
		return err
	}
	options := []dtls.ServerOption{}
	for _, option := range both {
		options = append(options, option)
	}
	if anchors != nil {
		options = append(options, dtls.WithClientCAs(anchors),
			dtls.WithClientAuth(dtls.RequireAndVerifyClientCert))
	}
	listener, err := dtls.ListenWithOptions("udp", local, options...)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	var lock sync.Mutex
	var newest net.Conn
	go func() {
		for {
			session, err := listener.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, "failed:", err)
				return
			}
			if err := session.(*dtls.Conn).Handshake(); err != nil {
				fmt.Fprintln(os.Stderr, "failed:", err)
				continue
			}
			lock.Lock()
			newest = session
			lock.Unlock()
			fmt.Println("open")
			go hear(session)
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		lock.Lock()
		session := newest
		lock.Unlock()
		if _, err := session.Write(lines.Bytes()); err != nil {
			return err
		}
	}
	return listener.Close()
}

func hear(session net.Conn) {
	buffer := make([]byte, 1<<14)
	for {
		length, err := session.Read(buffer)
		if err != nil {
			return
		}
		fmt.Printf("%s\n", buffer[:length])
	}
}

// store keeps sessions that can be resumed.
type store struct {
	lock sync.Mutex
	kept map[string]dtls.Session
}

func (s *store) Set(key []byte, session dtls.Session) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.kept[string(key)] = session
	return nil
}

func (s *store) Get(key []byte) (dtls.Session, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.kept[string(key)], nil
}

func (s *store) Del(key []byte) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	delete(s.kept, string(key))
	return nil
}
