"""Every broken fleet document of tests/config, sent to a running node: refused whole, and nothing changes."""

import pathlib

import stack

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "config" / "fleet"


class Corpus(stack.StackTest):
    def setUp(self):
        self.stack = self.use(stack.World().start())

    def versions(self):
        status = self.stack.api("GET", "/v1/status")[1]
        return status["fleet_version"], status["epoch"]

    def test_apply_refuses_each_whole(self):
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {gold: {dns_queries: 5/s}}")
        before, fleet = self.versions()[0], self.stack.ctl("export", "--source", "all").stdout
        documents = sorted(CORPUS.glob("*.yaml"))
        self.assertGreater(len(documents), 150)
        for path in documents:
            with self.subTest(path.stem):
                headers = {"Content-Type": "application/yaml"}
                status, reply = self.stack.api("POST", "/v1/apply?prune=true", path.read_bytes(), headers)
                self.assertIn(status, (400, 409, 422), reply)
                self.assertTrue(reply.get("errors") or reply.get("detail"), reply)
                self.assertTrue(all(error["message"] for error in reply.get("errors", [])), reply)
        self.assertEqual(self.versions()[0], before)
        self.assertEqual(self.stack.ctl("export", "--source", "all").stdout, fleet)
        self.assertEqual(self.stack.ask("acme").rcode, "NOERROR")

    def test_reload_refuses_each_whole(self):
        path = self.stack.directory / "fleet.yaml"
        good, before = path.read_text(), self.versions()[0]
        for document in sorted(CORPUS.glob("*.yaml")):
            with self.subTest(document.stem):
                path.write_bytes(document.read_bytes())
                status, reply = self.stack.api("POST", "/v1/reload")
                self.assertEqual(status, 422, reply)
                self.assertTrue(reply["errors"], reply)
        self.assertEqual(self.versions()[0], before)
        self.assertEqual(self.stack.ask("acme").rcode, "NOERROR")
        path.write_text(good)
        self.assertEqual(self.stack.api("POST", "/v1/reload")[0], 200)


if __name__ == "__main__":
    stack.main()
