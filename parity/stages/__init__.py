"""The stages of a conversion in one table: what each makes and reads, its unit, its axes and its step in time.

Names are those of docs/spec/00-overview.md. A tensor of the table is listed without the prefix of its scope: `seg{i}.`
for a segment of a file, `rt.{n}.` for a block of a realtime stream. `TensorName` is the parsed form of a full name.
`register` adds a stage.
"""

from parity.stages import offline_flow as offline_flow  # importing a flow registers its stages
from parity.stages import realtime_flow as realtime_flow
from parity.stages.stage import FRAME as FRAME
from parity.stages.stage import RATE_AXES as RATE_AXES
from parity.stages.stage import SR16 as SR16
from parity.stages.stage import STEPS as STEPS
from parity.stages.stage import Earlier as Earlier
from parity.stages.stage import Fact as Fact
from parity.stages.stage import Facts as Facts
from parity.stages.stage import Read as Read
from parity.stages.stage import Stage as Stage
from parity.stages.stage import Tensor as Tensor
from parity.stages.stage import TensorKind as TensorKind
from parity.stages.stage import Weights as Weights
from parity.stages.stage import facts as facts
from parity.stages.stage_table import alternatives as alternatives
from parity.stages.stage_table import every as every
from parity.stages.stage_table import expected as expected
from parity.stages.stage_table import is_input as is_input
from parity.stages.stage_table import is_known as is_known
from parity.stages.stage_table import lacks_without_f0 as lacks_without_f0
from parity.stages.stage_table import misplaced_reads as misplaced_reads
from parity.stages.stage_table import names as names
from parity.stages.stage_table import offline as offline
from parity.stages.stage_table import prefixes_of as prefixes_of
from parity.stages.stage_table import reads as reads
from parity.stages.stage_table import realtime as realtime
from parity.stages.stage_table import register as register
from parity.stages.stage_table import register_input as register_input
from parity.stages.stage_table import stage_named as stage_named
from parity.stages.stage_table import stage_of as stage_of
from parity.stages.stage_table import tensor as tensor
from parity.stages.stage_table import unregister as unregister
from parity.stages.stage_table import upstream as upstream
from parity.stages.stage_table import walk as walk
from parity.stages.tensor_name import Scope as Scope
from parity.stages.tensor_name import TensorName as TensorName
from parity.stages.tensor_name import index_of as index_of
from parity.stages.tensor_name import prefix as prefix
from parity.stages.tensor_name import scope_of as scope_of
