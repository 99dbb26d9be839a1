// Init is the first process of a sandbox's workspace and the server's hands in it: it starts, signals and reaps
// processes, and opens files by name. It holds no secret that opens anything, has no network and no policy of its own.
package main

import (
	"flag"
	"fmt"
	"os"
)

// exitTerminated is what shells say of a program that SIGTERM has ended: 128 + 15.
const exitTerminated = 143

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if err := makeUndumpable(); err != nil {
		fmt.Fprintln(os.Stderr, "init: cannot become undumpable:", err)
		os.Exit(exitFailed)
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "probe":
			os.Exit(probe(os.Args[2:]))
		case "seed":
			os.Exit(seed(os.Args[2:]))
		}
	}
	os.Exit(run(os.Args[1:]))
}

type options struct {
	socket      string
	openFiles   uint64
	processes   uint64
	alwaysWalks bool
}

func parseOptions(arguments []string) (options, error) {
	var chosen options
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	flags.StringVar(&chosen.socket, "socket", "", "the server's socket")
	flags.Uint64Var(&chosen.openFiles, "nofile", 0, "most open files of a process; 0 leaves it as it is")
	flags.Uint64Var(&chosen.processes, "nproc", 0, "most processes of this user; 0 leaves it as it is")
	flags.BoolVar(&chosen.alwaysWalks, "walk", false, "resolve paths step by step, as where openat2 is missing")
	if err := flags.Parse(arguments); err != nil {
		return chosen, err
	}
	if chosen.socket == "" || flags.NArg() > 0 {
		return chosen, fmt.Errorf("usage: init --socket PATH [--nofile N] [--nproc N] [--walk], or init probe, or init seed")
	}
	return chosen, nil
}

func run(arguments []string) int {
	chosen, err := parseOptions(arguments)
	if err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return exitUsage
	}
	makeMonitorLazy()
	terminated := catchSignals()
	environment := takeEnvironment()
	if err := prepareProcess(chosen); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return exitFailed
	}
	processes, err := openProcessFolder()
	if err != nil {
		fmt.Fprintln(os.Stderr, "init: cannot open /proc:", err)
		return exitFailed
	}
	startThreads(threadsNeeded)

	executions := newTable()
	starter, err := newStarter(executions, environment)
	if err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return exitFailed
	}
	resolver := newResolver(chosen.alwaysWalks)
	workspace := &workspace{
		executions: executions,
		starter:    starter,
		killer:     &killer{executions: executions, processes: processes},
		files:      newFiles(resolver),
		fileLane:   make(lane, fileWorkers),
		startLane:  make(lane, startWorkers),
		collector:  newCollector(starter),
		dialer:     newDialer(),
	}
	workspace.archives = newArchives(workspace.files, workspace.collector.count)
	workspace.watches = newWatches(workspace.files, workspace.collector.count)
	if resolver == (kernelResolver{}) {
		workspace.cached = newFiles(kernelResolver{waitsNever: true})
	}
	go executions.reap(starter.spawned)
	lost := make(chan error, 1)
	go func() { lost <- workspace.attend(chosen.socket) }()
	select {
	case <-terminated:
		return exitTerminated
	case err := <-lost:
		workspace.files.abortAll()
		fmt.Fprintln(os.Stderr, "init:", err)
		return exitFailed
	}
}
