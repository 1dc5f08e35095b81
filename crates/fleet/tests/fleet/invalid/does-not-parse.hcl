# PC-0500: 3:11: 
# + VALID
account = = "dev"
