{
  "Version": "2012-10-17",
  "Statement": [
%{ for service in services ~}
    { "Effect": "Allow", "Action": ["${service}:*"], "Resource": "*" },
%{ endfor ~}
    { "Effect": "Allow", "Action": ["iam:PassRole"], "Resource": "arn:aws:iam::${account_id}:role/*" }
  ]
}
