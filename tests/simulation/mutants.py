"""The planted bugs by which the simulation is judged.

Each is a mistake somebody could make in the hub's mind, its ports or the ledgers. A mutant whose
text is no longer there fails the tests, so that the list stays true.
"""

from tests.simulation.patching import Mutant

LEDGER = "protocol/ledger.py"
TASKS = "core/tasks.py"
ASSIGNMENTS = "core/assignments.py"
RETRIES = "core/retries.py"
WITHDRAWALS = "core/withdrawals.py"
ROLL = "core/roll.py"
ENDS = "core/ends.py"
LIMITS = "core/limits.py"
STATE = "core/state.py"
DEPENDENCIES = "core/dependencies.py"
DISPATCH = "core/dispatch.py"
VALUES = "core/values.py"
LIBRARY = "core/library.py"
HUB = "core/hub.py"
PORTS = "hub/ports.py"
JOURNAL = "core/journal.py"
RECOVERY = "core/recovery.py"
HOSTS = "core/hosts.py"
PLANNING = "agent/planning.py"
ABSENT = "core/absent.py"
ELSEWHERE = "core/elsewhere.py"
SILENCE = "core/silence.py"
HANDOVERS = "core/handovers.py"
ENGINES = "core/engines.py"
UNNAMED = "core/unnamed.py"

MUTANTS = [
    # ---- ledgers
    Mutant(
        "a duplicate is taken", LEDGER,
        "elif packet.seq == self.received + 1:",
        "elif packet.seq <= self.received + 1:",
        seed=7,
    ),
    Mutant(
        "a gap is passed over", LEDGER,
        "elif packet.seq == self.received + 1:",
        "elif packet.seq > self.received:",
    ),
    Mutant(
        "the last packet is not sent again", LEDGER,
        "if self._kept and self._kept[0].seq <= message.mark:",
        "if self._kept and self._kept[0].seq < message.mark:",
        seed=1,
    ),
    Mutant(
        "one packet too many counts as acknowledged", LEDGER,
        "while kept and kept[0].seq <= packet.ack:",
        "while kept and kept[0].seq <= packet.ack + 1:",
    ),
    Mutant(
        "a token is released twice", LEDGER,
        "taken.released.append(entry.token)",
        "taken.released += [entry.token, entry.token]",
    ),
    Mutant(
        "a token is not released", LEDGER,
        "taken.released.append(entry.token)",
        "taken.released.clear()",
        seed=9,
    ),
    Mutant(
        "what is unheard is forgotten before it was said again", LEDGER,
        "taken.resend.extend(entry.wire for entry in self._kept)",
        "taken.resend.extend(entry.wire for entry in self._kept); self._kept.clear()",
    ),
    # ---- blobs
    Mutant(
        "a blob is released before its result was heard", STATE,
        "        self.blobs.hold(names)\n        client.line.token",
        "        client.line.token",
    ),
    Mutant(
        "a task's blob is not held", TASKS,
        "                state.blobs.hold(names_of(item.buffers))\n            if (handed",
        "                state.blobs.offer(names_of(item.buffers))\n            if (handed",
    ),
    Mutant(
        "what a dead process's blobs were needed for is forgotten", STATE,
        "keep = [name for name in self.blobs.counts if owner_of_blob(name) == owner]",
        "keep: list[str] = []",
    ),
    Mutant(
        "a value is dropped while somebody uses it", VALUES,
        "if value.uses <= 0 and not value.held:",
        "if value.uses <= 0 or not value.held:",
    ),
    Mutant(
        "what a peer that is gone will not hear stays held", PORTS,
        "        return [Delivered(token) for token in tokens if token is not None]",
        "        return [Delivered(token) for token in tokens if token is None]",
    ),
    # ---- retries and deaths
    Mutant(
        "a failure costs no retry", RETRIES,
        "        task.retries -= 1\n        return self._after_pause(task, now)\n\n"
        "    def _after_pause",
        "        return self._after_pause(task, now)\n\n    def _after_pause",
    ),
    Mutant(
        "a death costs no retry", RETRIES,
        "            task.retries -= 1\n            return self._after_pause(task, now)\n"
        "        ename",
        "            return self._after_pause(task, now)\n        ename",
    ),
    Mutant(
        "retries after a death are off by one", RETRIES,
        "if task.retries > 0 and bearable",
        "if task.retries >= 0 and bearable",
    ),
    Mutant(
        "an interrupted task is tried again after a death", RETRIES,
        " and not extra.unwanted:", ":",
    ),
    Mutant(
        "unbegun tasks count as begun", ENGINES,
        "if task.id == began), 0)",
        "if task.id == began), len(tasks))",
        seed=76,
    ),
    Mutant(
        "the task that ran counts as unbegun", ENGINES,
        "begun, rest = tasks[:count], tasks[count:]",
        "begun, rest = tasks[: count - 1], tasks[max(0, count - 1) :]",
        seed=15,
    ),
    Mutant(
        "what began out of turn counts as unbegun", ENGINES,
        "    if others:\n        aside", "    if others and not began:\n        aside",
    ),
    Mutant(
        "unbegun tasks of a dead engine are forgotten", ASSIGNMENTS,
        "        self.withdrawals.engine_lost(engine)\n        self.take_back(unbegun, now)",
        "        self.withdrawals.engine_lost(engine)",
    ),
    Mutant(
        "the functions of an engine's last life count as known", ASSIGNMENTS,
        "        engine.dropped()\n", "",
    ),
    Mutant(
        "a pause has no end", RETRIES,
        "self._state.timers.set(now + pause, Alarm.PAUSE_OVER, task)",
        "self._state.log.note(now + pause, \"pauses\", [task.id])",
    ),
    Mutant(
        "an engine that refused a task gets it again", RETRIES,
        "avoid=tuple(sorted({*lane.avoid, engine.id}))",
        "avoid=lane.avoid",
    ),
    # ---- cancelling and interrupting
    Mutant(
        "a recalled task goes on although it is withdrawn", ASSIGNMENTS,
        "self.take_back(self.withdrawals.without_withdrawn(engine, tasks), now)",
        "self.take_back(tasks, now)",
    ),
    Mutant(
        "the answer to a recall is ignored", ASSIGNMENTS,
        "        if withdrawal is None or withdrawal is engine.settling:\n",
        "        if withdrawal is None and not tasks:\n",
        seed=66,
    ),
    Mutant(
        "an interrupt is lost", WITHDRAWALS,
        "        engine.open_line.say(Halt(ids))\n", "",
    ),
    Mutant(
        "unbegun tasks that are interrupted are not taken back", WITHDRAWALS,
        "        self._ask(Withdrawal(line, 0), {engine.id: ids})\n", "",
    ),
    Mutant(
        "a client is not told of what a dead engine was asked", WITHDRAWALS,
        "            if withdrawal is not None:\n                self._answer(withdrawal)",
        "            if withdrawal is None:\n                continue",
    ),
    Mutant(
        "anybody's tasks are cancelled", WITHDRAWALS,
        "if task is None or client_of(task_id) != owner:",
        "if task is None:",
    ),
    Mutant(
        "a stubborn task is not ended", WITHDRAWALS,
        "self._state.timers.set(due, Alarm.OVERDUE, task, task.tries)",
        "self._state.log.note(due, \"interrupted\", [task.id])",
    ),
    Mutant(
        "what was interrupted is not when another hub takes over", RECOVERY,
        "        self._tasks.withdrawals.resume(engine, adopted)\n", "",
        seed=1005,
    ),
    Mutant(
        "what was interrupted is queued by the next hub", RECOVERY,
        "            if not self._tasks.withdrawals.give_up(task):",
        "            if task:",
        seed=20280261,
    ),
    # ---- others' outcomes
    Mutant(
        "a dependency's failure counts as success", "core/task.py",
        "if self.success if succeeded else self.failure:",
        "if self.success or self.failure:",
    ),
    Mutant(
        "a task begins before all that it depends on", "core/task.py",
        "return self.left == 0 and self.unmet == 0",
        "return self.left <= 1 and self.unmet == 0",
    ),
    Mutant(
        "a task whose need failed runs nevertheless", DEPENDENCIES,
        "                verdicts.append(Verdict(other, item.status, item.inline))\n"
        "                continue",
        "                verdicts.append(Verdict(other))\n                continue",
    ),
    Mutant(
        "who waits for a task's end is not told", ENDS,
        "if task in state.dependents or task in state.awaiting:",
        "if task in state.dependents:",
    ),
    Mutant(
        "a key's failure is shared with later tasks", LIMITS,
        "entry.kept and entry.item.status is TaskStatus.DONE:",
        "entry.kept:",
    ),
    Mutant(
        "those who share a key are not told", ENDS,
        "for sharer in state.sharers.pop(task, ()):",
        "for sharer in state.sharers.pop(task, [])[1:]:",
    ),
    Mutant(
        "a task follows to wherever there is room", DEPENDENCIES,
        "task.extras.lane = lane._replace(engines=allowed)",
        "task.extras.lane = lane",
    ),
    Mutant(
        "a client that watches is not told", ENDS,
        "for client in self._state.watchers.pop(task, ()):",
        "for client in self._state.watchers.pop(task, [])[1:]:",
    ),
    # ---- values and functions
    Mutant(
        "engines forget what they will need", VALUES,
        "            engine.unneeded.discard(need)\n            if not is_there",
        "            if not is_there",
    ),
    Mutant(
        "a value that an engine may have dropped is not sent again", VALUES,
        "if not is_there or need in engine.unsure:", "if not is_there:",
    ),
    Mutant(
        "a value is not brought", VALUES,
        "            is_there = count or need in engine.unneeded\n",
        "            is_there = True\n",
    ),
    Mutant(
        "a function that was forgotten counts as known", HUB,
        "                engine.known.difference_update(known)\n", "",
    ),
    Mutant(
        "a function is asked for once only", LIBRARY,
        "return last is None or client_of(last) != client_of(task.id)",
        "return last is None",
    ),
    Mutant(
        "tasks wait for ever for what a client that is gone would send", TASKS,
        "            if task.id in self._state.tasks and (owner == client.id or alone):",
        "            if task.id in self._state.tasks and owner == THE_HUB and alone:",
    ),
    # ---- those who come and go
    Mutant(
        "a client's tasks go with it", TASKS,
        "        still_wanted = self._drop_preparations_of(client)\n",
        "        still_wanted = self._drop_preparations_of(client)\n"
        "        for task in list(self._state.queue):\n"
        "            if client_of(task.id) == client.id:\n"
        "                self.ends.fail(task, \"ClientClosed\", \"\", TaskStatus.LOST)\n",
    ),
    Mutant(
        "a life that has died is admitted", ROLL,
        "elif hello.boot in engine.buried:", "elif hello.boot in engine.buried and not hello:",
    ),
    Mutant(
        "a successor that greeted early is forgotten", ROLL,
        "            if successor is not None:\n                self._admit",
        "            if successor is None and engine.successor is not None:\n"
        "                successor = engine.successor\n                self._admit",
    ),
    Mutant(
        "what waits for an engine that is gone is forgotten", ROLL,
        "        for task in engine.held:\n            self._tasks.ends.fail",
        "        for task in engine.held[1:]:\n            self._tasks.ends.fail",
    ),
    Mutant(
        "an agent that greets twice is given engines twice", ROLL,
        "        if agent is not None and agent.line.peer != NO_PEER:\n            return\n", "",
    ),
    # ---- the journal, and who takes over
    Mutant(
        "an order goes out before it is written", PORTS,
        "                or (effect.patient and self._page > self._written)\n", "",
    ),
    Mutant(
        "how many tasks wait is forgotten with those that were not known yet", ASSIGNMENTS,
        "        engine.count_waiting()\n        self._state.changed.add(engine)\n", "",
        seed=239421594309457,
    ),
    Mutant(
        "acknowledged before it is durable", PORTS,
        "while unsettled and unsettled[0][0] <= written:",
        "while unsettled:",
        seed=21,
    ),
    Mutant(
        "acknowledged before it is known what follows", "core/hub.py",
        "        A hub that takes over from another does not know that before everybody is back.\n"
        "        \"\"\"\n        return self.state.recovered.is_over\n",
        "        \"\"\"\n        return True\n",
    ),
    Mutant(
        "everything heard is acknowledged at once", LEDGER,
        "return self._settled if self._patient else self.received",
        "return self.received",
    ),
    Mutant(
        "what was meant for the hub before is taken", LEDGER,
        "        if packet.to != self.boot and packet.to:\n",
        "        if packet.to != self.boot and packet.to and not packet.boot:\n",
    ),
    Mutant(
        "a task's page is dropped too early", JOURNAL,
        "        left = self._needed.get(page, 0) - 1\n",
        "        left = self._needed.get(page, 0) - 2\n",
    ),
    Mutant(
        "a page is needed once however many tasks stand on it", JOURNAL,
        "            self.need(self.page, count)\n",
        "            self.need(self.page)\n",
    ),
    Mutant(
        "an outcome is not recorded", ENDS,
        "            state.journal.ended(item, frames, engine)\n",
        "            state.journal.need(state.journal.page)\n",
    ),
    Mutant(
        "a try in vain is not recorded", ASSIGNMENTS,
        "        self._state.journal.changed(task)\n        if self._state.recovered.rivals and",
        "        if self._state.recovered.rivals and",
    ),
    Mutant(
        "what an engine claims is given out", RECOVERY,
        "            task = recovered.unclaimed.pop(task_id, None) or",
        "            task = None if task_id in recovered.unclaimed else",
    ),
    Mutant(
        "a hub that takes over waits for nobody", RECOVERY,
        "            if not self.complete and self.absent.are_waited_for(now):\n"
        "                return False\n",
        "", seed=2,
    ),
    Mutant(
        "a hub that takes over does not wait for engines", RECOVERY,
        "return self.absent.agents_are_back and not self._state.recovered.lives\n",
        "return self.absent.agents_are_back\n",
    ),
    Mutant(
        "what is said again comes anew though it has ended", TASKS,
        " or (over and item.id in over):", ":",
    ),
    Mutant(
        "what is said again comes anew though an engine has it", TASKS,
        "if (handed or claims or tried) and self._is_known(task, message, now):",
        "if not self and self._is_known(task, message, now):",
    ),
    Mutant(
        "a task said again is given out before its engine is back", TASKS,
        "            if unsettled:\n                self._set_aside(task)\n            elif",
        "            if",
    ),
    Mutant(
        "a task of the time before that has ended is forgotten", ENDS,
        "        if 0 < task.row <= state.recovered.last_page:\n",
        "        if 0 < task.row <= state.recovered.last_page and not item:\n",
    ),
    Mutant(
        "deaths that nobody heard of leave no trace", RECOVERY,
        "        self._settle_the_dead(now)\n", "",
    ),
    Mutant(
        "unbegun tasks of a hub that died are forgotten", RECOVERY,
        "                self._tasks.resume(self._state.clients.get(client_of(task.id)), task)",
        "                self._state.log.note(now, \"forgotten\", [task.id])",
    ),
    Mutant(
        "nobody is told again what the hub before said", RECOVERY,
        "                elif not (self._tell(client, task) or self._was_told(task)):",
        "                elif not self._was_told(task) and task not in state.over:",
    ),
    Mutant(
        "what an engine has that the hub does not know is forgotten", RECOVERY,
        "                self._claim(engine, task_id)\n",
        "                elsewhere.append(task_id)\n",
    ),
    Mutant(
        "a wish to cancel is granted before it is known what has begun", HUB,
        "if not self.settled and isinstance(message, _LATER):",
        "if not self.settled and isinstance(message, Steer):",
    ),
    Mutant(
        "an engine that another has in vain tried is forgotten", ASSIGNMENTS,
        "        if (engine.id, item.id) in state.recovered.rivals:\n",
        "        if (engine.id, item.id) in state.recovered.rivals and not item:\n",
    ),
    Mutant(
        "what a silent engine has begun is given out by the next hub", RECOVERY,
        "        self.absent.pin()\n", "",
    ),
    Mutant(
        "what a silent engine had begun is forgotten when it dies", RECOVERY,
        "            self.absent.died(engine, exited)\n        if engine.boot",
        "            self.absent.pin()\n        if engine.boot",
    ),
    Mutant(
        "another engine's claim is forgotten", RECOVERY,
        "            first.also.append(Claim(engine))\n", "            first.engine = engine\n",
    ),
    Mutant(
        "an engine that has a task, too, is passed over", ASSIGNMENTS,
        "        if self._state.recovered.rivals and self._has_rival(task, now):\n",
        "        if self._state.recovered.rivals and not task:\n",
    ),
    # ---- silence
    Mutant(
        "what a silent engine may have begun is given away", "core/silence.py",
        "given = self._tasks.give_away(engine, message.began, message.others, now)",
        "given = self._tasks.give_away(engine, type(message.began)(0), (), now)",
    ),
    Mutant(
        "an engine that was heard meanwhile loses its tasks", "core/silence.py",
        "        if engine is None or engine.silent_since is None or engine.line is None:",
        "        if engine is None or engine.line is None:",
    ),
    Mutant(
        "a silent engine is not told what to drop", ASSIGNMENTS,
        "            engine.open_line.say(Drop([task.id for task in given]))\n",
        "            engine.open_line.say(Drop([]))\n",
    ),
    # ---- other hosts
    Mutant(
        "a host that is not heard is waited for for ever", SILENCE,
        "        return [agent for agent in due if self._state.agents.get(agent.id) is agent]\n",
        "        return []\n",
    ),
    Mutant(
        "a host that was given up is not known again", HOSTS,
        "        self._gone[agent.id] = _Gone(agent, engines)\n",
        "        self._gone[agent.id] = _Gone(agent, frozenset())\n",
    ),
    Mutant(
        "what was given away is not dropped when its host is back", HOSTS,
        "            line.say(Drop(held))  # at first, or it would begin the next one\n",
        "            line.say(Drop([]))\n",
    ),
    Mutant(
        "what is over runs on where it is when that is back", RECOVERY,
        "            line.say(Halt(over))\n", "            over.clear()\n",
        seed=60152974,
    ),
    Mutant(
        "what was given away runs on when its host is back", HOSTS,
        "            line.say(Halt(held))\n", "",
    ),
    Mutant(
        "an engine that is back is sent at once what it is to drop", HOSTS,
        "            engine.settling = Withdrawal(line, 0, there=list(held))  # or it "
        "had them twice\n"
        "            engine.asked.append(engine.settling)\n",
        "            engine.asked.append(Withdrawal(line, 0))\n",
    ),
    Mutant(
        "an engine that is back is sent what it still runs", HOSTS,
        "Withdrawal(line, 0, there=list(held))", "Withdrawal(line, 0)",
        seed=1788,
    ),
    Mutant(
        "what was sent to an engine whose id another has by now runs once more", RECOVERY,
        "        recovered.exits += ends_unseen(self._state)\n", "",
        seed=300,
    ),
    Mutant(
        "a try on a host that is not heard does not count although another followed it", ELSEWHERE,
        "            task.retries = max(0, task.retries - 1)\n            task.extras",
        "            task.extras",
    ),
    Mutant(
        "a try that another engine has made counts as that of a host that is not heard", ELSEWHERE,
        "        if _is_known(state, note):\n            continue\n",
        "        if _is_known(state, note) or (task is not None and task.tries > note.tries):\n"
        "            continue\n",
        seed=41029068,
    ),
    Mutant(
        "an engine has the id of another, once its host is back", ELSEWHERE,
        "        agent.line.say(StopEngines(taken))\n", "        taken.clear()\n",
    ),
    Mutant(
        "engines that are to come with others are forgotten", HOSTS,
        "            self._plan(message.set, -message.count)\n",
        "            self._plan(message.set, -message.count - 1)\n",
    ),
    Mutant(
        "engines for which agents have to be started are not", HOSTS,
        "        home.line.order(LaunchMore(named, count))\n", "",
    ),
    Mutant(
        "an order for more engines that the agent never heard is not said again", HOSTS,
        "                home.line.say(LaunchMore(named, unheard))\n", "",
    ),
    Mutant(
        "an order for more engines is said again although the agent has heard it", HOSTS,
        "            heard = asked.get(named, 0)\n", "            heard = 0\n",
    ),
    Mutant(
        "nobody is struck off when all of its set has ended", HOSTS,
        "                agent.doomed = agent.doomed or agent.set_name == message.set\n",
        "                agent.doomed = agent.doomed\n",
    ),
    Mutant(
        "an agent that was killed goes on beside the one after it", ROLL,
        "            if old is not None and old.far:\n",
        "            if old is not None and not old.host:\n",
    ),
    Mutant(
        "new agents have engines started before it is known which ids are free", ROLL,
        "        if not state.recovered.settled:\n            return\n        replaced",
        "        replaced",
    ),
    Mutant(
        "what its set has lost counts twice for the next hub", PLANNING,
        "            known = with_more(known, message.set, message.count)\n",
        "            known = dict(known)\n",
    ),
    Mutant(
        "it is not noted what is sent to another host", ASSIGNMENTS,
        "            note_sent(self._state, engine, task)\n",
        "            engine.count_waiting()\n",
    ),
    Mutant(
        "what holds still of the notes is left out", ELSEWHERE,
        "        for task in engine.unfinished.values()\n", "        for task in engine.held\n",
    ),
    Mutant(
        "what another host may have begun is given out", ELSEWHERE,
        "    _leave_to_engines(state)\n", "",
    ),
    Mutant(
        "notes of tasks that nobody has named are not looked at", ELSEWHERE,
        "if task is None and note.at >= written_at and state.is_unknown(note.task):",
        "if task is None and note.at >= written_at and note.task in state.tasks:",
    ),
    Mutant(
        "what a hub left open whose successor died as well is forgotten", ELSEWHERE,
        "            state.sent.append(note)\n", "",
        seed=50101631,
    ),
    Mutant(
        "a queued task that another engine has refused stands where it stood", RETRIES,
        "                self._state.queue.relocate(task, lane)\n", "                lane = lane\n",
        seed=2319,
    ),
    Mutant(
        "a late packet of another incarnation has the conversation begin anew", LEDGER,
        "taken.reborn = packet.boot not in self._left", "taken.reborn = True",
        seed=50051208,
    ),
    Mutant(
        "an engine that is not back begins what others are given", ABSENT,
        "RECOVERING, hold=True)", "RECOVERING)",
    ),
    Mutant(
        "what a silent engine had begun counts for its next life", RECOVERY,
        "                if recovered.lives.get(life.engine) != life.boot:\n"
        "                    self.absent.is_heard(engine)  # the life before is over\n", "",
    ),
    Mutant(
        "what is known of a silent engine counts when it is back", ABSENT,
        "            recovered.begun.pop(engine.id, None)\n", "",
    ),
    Mutant(
        "what another host has not begun waits for ever when it is back", ABSENT,
        "        self._go_on(engine, sorted(self._take_begun(engine, engine.boot) - "
        "frozenset(held)))\n",
        "        self._take_begun(engine, engine.boot)\n",
    ),
    Mutant(
        "what a dead engine elsewhere had not begun counts as begun", ABSENT,
        "            known = begun & {exited.began, *exited.others, *exited.ran}\n",
        "            known = begun\n",
    ),
    Mutant(
        "a host that does not come back after a takeover is not given up", SILENCE,
        "        for agent in missed:\n            self._miss(agent)\n", "",
    ),
    Mutant(
        "what was left to a host that is given up waits for ever", ROLL,
        "            self._recovery.absent.host_left(engine, exited)\n", "",
    ),
    Mutant(
        "what another host had begun that leaves during a takeover is given out", ABSENT,
        "            recovered.buried[engine.id] = engine, exited\n", "",
    ),
    Mutant(
        "tries that were noted and not recorded do not count", ELSEWHERE,
        "        task.retries = max(0, task.retries - (note.tries - task.tries))\n", "",
    ),
    Mutant(
        "a takeover is over before the agent of the hub's host is back", ABSENT,
        "any(not agent.far for agent in agents)", "bool(agents)",
    ),
    Mutant(
        "a host whose engines are back without their agent is waited for for ever", HOSTS,
        "            state.missed.append(agent)  # it may have died since\n", "",
    ),
    Mutant(
        "a peer that was forgotten before it heard the hub is not made to begin anew", PORTS,
        "        if packet.to == name or (address, packet.boot) in self._forgotten:\n",
        "        if packet.to == name:\n",
    ),
    # ---- giving out
    Mutant(
        "resources are not looked at", DISPATCH,
        "            and engine.has(lane.resources)\n", "",
    ),
    Mutant(
        "a stuck engine never gets work again", ASSIGNMENTS,
        "        engine.stalled = False\n        state.changed.add(engine)\n        state.log",
        "        state.changed.add(engine)\n        state.log",
    ),
    Mutant(
        "an alarm of an earlier try strikes the next", LIMITS,
        "task.status is not _ASSIGNED or task.tries != mark or task.engine is None",
        "task.status is not _ASSIGNED or task.engine is None",
    ),
    Mutant(
        "a task that goes on after its time is left alone", LIMITS,
        "self._state.timers.set(due, Alarm.OVERDUE, task, task.tries)",
        "self._state.log.note(due, \"late\", [task.id])",
    ),
    # ---- tasks that clients hand to engines by themselves
    Mutant(
        "what was handed to an engine is given out as well", TASKS,
        "bool(message.boot) and self.handovers.take(task, message)", "False",
    ),
    Mutant(
        "what an engine died with is given out if nobody had named it", HANDOVERS,
        "        for task in exited.others:\n", "        for task in ():\n",
    ),
    Mutant(
        "an engine that is back loses what was handed to it since it greeted", RECOVERY,
        "        self._tasks.handovers.back(engine)\n", "",
    ),
    Mutant(
        "what was handed over has a place among the others", ENGINES,
        "if any(task.handed for task in begun):", "if not tasks:",
    ),
    Mutant(
        "what an engine gave back to the hub before is left to it", HANDOVERS,
        "            if state.recovered.forget_at is not None:  # it may",
        "            if task is None:  # it may",
    ),
    Mutant(
        "a try that was recorded before its task was named costs nothing", UNNAMED,
        "    task.retries -= 1\n", "",
    ),
    Mutant(
        "an agent that is gone takes nothing along that was handed to its engines", ENGINES,
        "again=False, others=handed + claimed)", "again=False)",
    ),
    Mutant(
        "what engines say of tasks before those are named is lost", HANDOVERS,
        "                self._state.claims[task] = Claim(engine)\n", "                pass\n",
    ),
    Mutant(
        "calls that were answered the short way are forgotten", HANDOVERS,
        "            self._assignments.ends.end(task, outcome, (), message.engine, told=True)\n",
        "            del known[item.id], task\n",
    ),
    Mutant(
        "who is told already is told again", ENDS,
        "if client is not None and not told:", "if client is not None:",
    ),
]  # fmt: skip

EQUIVALENT: dict[str, str] = {
    "nobody is struck off when all of its set has ended": (
        "those agents are given up after `host_silence`; it is only later"
    ),
    "an agent that was killed goes on beside the one after it": "the same",
    "an agent that greets twice is given engines twice": (
        "whoever has greeted is known by its connection; a second greeting on it is passed over"
    ),
    "a client is not told of what a dead engine was asked": (
        "every client is answered after `ANSWER_WITHIN`, whatever engines do; it is only later"
    ),
}
"""Planted bugs that no history can show, and why."""
