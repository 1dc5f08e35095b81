module "naming" {
  source = "../../naming"
  parts  = [var.name_prefix, var.environment, var.service_name]
}

resource "terraform_data" "task_role" {
  input = {
    arn     = "arn:aws:iam::${var.account_id}:role/${module.naming.name}-${var.aws_region}-task"
    secrets = sort(values(var.secrets))
  }
}

resource "terraform_data" "security_group" {
  input = {
    id     = "sg-${substr(sha1("${var.vpc_id}/${module.naming.name}"), 0, 17)}"
    vpc_id = var.vpc_id
    ingress = var.load_balancer == null ? [] : [
      { source = var.load_balancer.security_group_id, port = var.load_balancer.port },
    ]
  }
}

resource "terraform_data" "task_definition" {
  input = {
    family    = module.naming.name
    image     = var.image
    cpu       = var.resources.cpu
    memory    = var.resources.memory
    env_vars  = [for name in sort(keys(var.env_vars)) : { name = name, value = var.env_vars[name] }]
    secrets   = var.secrets
    task_role = terraform_data.task_role.output.arn
  }

  # Revisions are never edited: a changed definition is a new one.
  triggers_replace = [var.image, var.resources]
}

resource "terraform_data" "target_group" {
  count = var.load_balancer == null ? 0 : 1

  input = {
    arn               = "arn:aws:elasticloadbalancing:${var.aws_region}:${var.account_id}:targetgroup/${module.naming.name}"
    vpc_id            = var.vpc_id
    port              = var.load_balancer.port
    health_check_path = var.load_balancer.health_check_path
  }
}

resource "terraform_data" "listener_rule" {
  count = var.load_balancer == null ? 0 : 1

  input = {
    listener = var.load_balancer.listener_arn
    host     = var.load_balancer.host
    target   = terraform_data.target_group[0].output.arn
  }
}

resource "terraform_data" "service" {
  input = {
    arn             = "${replace(var.cluster_arn, ":cluster/", ":service/")}/${var.service_name}"
    cluster         = var.cluster_arn
    task_definition = terraform_data.task_definition.output.family
    desired_count   = var.desired_count
    subnet_ids      = var.subnet_ids
    security_group  = terraform_data.security_group.output.id
    tags            = var.default_tags
  }

  lifecycle {
    precondition {
      condition     = var.autoscaling == null || try(var.autoscaling.max_count >= var.desired_count, false)
      error_message = "Autoscaling cannot have a maximum below the desired count."
    }
  }
}

resource "terraform_data" "autoscaling" {
  count = var.autoscaling == null ? 0 : 1

  input = {
    service    = terraform_data.service.output.arn
    min_count  = var.desired_count
    max_count  = var.autoscaling.max_count
    target_cpu = var.autoscaling.target_cpu
  }
}
