// A reverse proxy that leaves the work to another program.
//
// Laid into Go's package net/http/httputil in place of ReverseProxy.ServeHTTP, by run.py: what a client of Go's
// tests sends goes to the program as it came, and what the program answers goes back as it is. Judges nothing.
package httputil

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// One program for each backend, as long as the tests run.
var programs = struct {
	sync.Mutex
	addresses map[string]string
	commands  []*exec.Cmd
}{addresses: make(map[string]string)}

func TestMain(m *testing.M) {
	outcome := m.Run()
	for _, command := range programs.commands {
		command.Process.Kill()
		command.Wait()
	}
	os.Exit(outcome)
}

// program returns where the program for this backend listens.
func program(backend string) (string, error) {
	programs.Lock()
	defer programs.Unlock()
	if address, ok := programs.addresses[backend]; ok {
		return address, nil
	}
	arguments := []string{"run", "--upstream", "http://" + backend, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}
	arguments = append(arguments, strings.Fields(os.Getenv("DEADLINE_PROXY_MORE"))...)
	command := exec.Command(os.Getenv("DEADLINE_PROXY"), arguments...)
	command.Stderr = os.Stderr
	// A test that runs out of time ends without TestMain.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	programs.commands = append(programs.commands, command)
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the proxy does not start: %w", err)
	}
	go io.Copy(io.Discard, lines)
	words := strings.Fields(first)
	announced, err := url.Parse(words[1])
	if err != nil {
		return "", err
	}
	programs.addresses[backend] = announced.Host
	return announced.Host, nil
}

func (p *ReverseProxy) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	if err := p.relay(rw, req); err != nil {
		p.getErrorHandler()(rw, req, err)
	}
}

// relay returns an error only as long as the client's connection is still the server's.
func (p *ReverseProxy) relay(rw http.ResponseWriter, req *http.Request) error {
	// The path and the query are Go's to join; the fields go on as they came.
	joined := req.Clone(req.Context())
	p.Director(joined)
	address, err := program(joined.URL.Host)
	if err != nil {
		return err
	}
	proxy, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer proxy.Close()
	client, buffered, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		return err
	}
	defer client.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-req.Context().Done():
			client.Close()
			proxy.Close()
		case <-stop:
		}
	}()

	if _, err := proxy.Write(head(req, joined)); err != nil {
		return nil
	}
	go func() {
		io.Copy(proxy, buffered)
		// No client of these tests closes one half alone.
		proxy.Close()
	}()
	answer := bufio.NewReader(proxy)
	if p.answerHead(client, answer, rw.Header()) == nil {
		io.Copy(client, answer)
	}
	return nil
}

// head is the request's head as it came, but for the order of its fields.
func head(req, joined *http.Request) []byte {
	var head bytes.Buffer
	host := req.Host
	if host == "" {
		host = joined.URL.Host
	}
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, joined.URL.RequestURI(), host)
	for name, values := range req.Header {
		for _, value := range values {
			fmt.Fprintf(&head, "%s: %s\r\n", name, value)
		}
	}
	// The server has taken these two out of the fields.
	for _, coding := range req.TransferEncoding {
		fmt.Fprintf(&head, "Transfer-Encoding: %s\r\n", coding)
	}
	for name := range req.Trailer {
		fmt.Fprintf(&head, "Trailer: %s\r\n", name)
	}
	head.WriteString("\r\n")
	return head.Bytes()
}

// answerHead passes on the head of the first answer, with what the test's handler and ModifyResponse add to it.
func (p *ReverseProxy) answerHead(client io.Writer, answer *bufio.Reader, added http.Header) error {
	var lines []string
	fields := make(http.Header)
	for {
		line, err := answer.ReadString('\n')
		if err != nil {
			io.WriteString(client, strings.Join(lines, "")+line)
			return err
		}
		if line == "\r\n" {
			break
		}
		lines = append(lines, line)
	}
	if p.ModifyResponse != nil {
		if err := p.ModifyResponse(&http.Response{Header: fields, Body: http.NoBody}); err != nil {
			return err
		}
	}
	copyHeader(added, fields)
	for name, values := range added {
		for _, value := range values {
			lines = append(lines, fmt.Sprintf("%s: %s\r\n", name, value))
		}
	}
	_, err := io.WriteString(client, strings.Join(lines, "")+"\r\n")
	return err
}
