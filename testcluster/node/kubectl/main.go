// Command kubectl is Kubernetes' own client, so that tests and benchmarks need none that is installed.
// It is a program of its own: with the node's components linked in, each call would take twice the time.
package main

import (
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // says it as kubectl does, and exits with its code
	}
}
