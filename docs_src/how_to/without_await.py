"""The same without await, from several threads at once."""

from concurrent.futures import ThreadPoolExecutor

from kubebox.sync import Sandbox


def main() -> None:
    with Sandbox.create() as sandbox, ThreadPoolExecutor(3) as threads:
        commands = ["echo $((1 + 1))", "echo $((2 + 2))", "echo $((3 + 3))"]
        print([result.stdout.strip() for result in threads.map(sandbox.run, commands)])
        for output in sandbox.stream("echo a loop without async"):
            print(output.output.strip())


if __name__ == "__main__":
    main()
