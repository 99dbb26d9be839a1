from kubebox_sandbox.pod.start import main

main()
