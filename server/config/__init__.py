"""agents.yaml, the environment and flags → one frozen `Config`. Knows no feature and starts nothing.

`model` has the dataclasses, `secrets` the references to what is never written down. `document` reads YAML with places,
`section` takes values out of it. `keys` names what the team file may say; `team_file`, `agents`, `workplace`,
`notifications` read it; `load` puts file, environment and flags together.
"""

from server.config.document import ConfigError as ConfigError
from server.config.document import Problem as Problem
from server.config.keep import Keep as Keep
from server.config.keep import parse_keep as parse_keep
from server.config.load import DEMO_TEAM as DEMO_TEAM
from server.config.load import Settings as Settings
from server.config.load import default_data_root as default_data_root
from server.config.load import load_config as load_config
from server.config.load import locate as locate
from server.config.load import team_file as team_file
from server.config.model import DEFAULT_PORT as DEFAULT_PORT
from server.config.model import AgentConfig as AgentConfig
from server.config.model import BackupPlan as BackupPlan
from server.config.model import BudgetConfig as BudgetConfig
from server.config.model import ChannelConfig as ChannelConfig
from server.config.model import Config as Config
from server.config.model import DigestConfig as DigestConfig
from server.config.model import Guards as Guards
from server.config.model import HumanConfig as HumanConfig
from server.config.model import Isolation as Isolation
from server.config.model import LimitsConfig as LimitsConfig
from server.config.model import Location as Location
from server.config.model import Notifications as Notifications
from server.config.model import NotificationTarget as NotificationTarget
from server.config.model import PermissionPolicy as PermissionPolicy
from server.config.model import Provider as Provider
from server.config.model import QuietHours as QuietHours
from server.config.model import RestartPolicy as RestartPolicy
from server.config.model import Retention as Retention
from server.config.model import StallPolicy as StallPolicy
from server.config.model import Workplace as Workplace
from server.config.secrets import SecretReference as SecretReference
from server.config.secrets import SecretUnavailable as SecretUnavailable
from server.config.secrets import resolve_secret as resolve_secret
from server.config.team_file import DEFAULT_TEAM as DEFAULT_TEAM
