from kubebox_sandbox.serve import main

main()
