# PC-0504: 0:0: has no account
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = ["main"]
  }
}
