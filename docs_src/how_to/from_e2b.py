"""What E2B's first examples look like here."""

from kubebox.sync import Sandbox


def main() -> None:
    with Sandbox.create(lifetime=300, env={"NAME": "Ada"}) as sandbox:  # E2B: timeout=300, envs=…
        sandbox.files.write("hello.py", "import os; print('Hello', os.environ['NAME'])")
        result = sandbox.run("python3 hello.py")  # E2B: sandbox.commands.run(…)
        print(result.stdout.strip(), result.exit_code)


if __name__ == "__main__":
    main()
