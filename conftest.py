"""For all tests."""

# pytest gives the tests in kubebox/tests the name `kubebox.tests`, and would take the folder for the package unless
# the package itself has been imported before.
import kubebox as kubebox
