BEGIN TRANSACTION;
CREATE TABLE ai_response_queue (
	id VARCHAR(128) NOT NULL, 
	workflow_id VARCHAR(128) NOT NULL, 
	text TEXT NOT NULL, 
	confidence FLOAT NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	notified_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(workflow_id) REFERENCES workflow_instances (id)
);
INSERT INTO "ai_response_queue" VALUES('response0','workflow0','You can pay 000 a week.',0.5,'auto_sent',NULL,'2026-03-01 09:00:00.000000','2026-03-01 09:01:00.000000');
INSERT INTO "ai_response_queue" VALUES('response1','workflow1','You can pay 100 a week.',0.6,'modified','2026-03-01 09:01:00.000000','2026-03-01 09:01:00.000000','2026-03-01 09:02:00.000000');
INSERT INTO "ai_response_queue" VALUES('response2','workflow2','You can pay 200 a week.',0.7,'pending','2026-03-01 09:02:00.000000','2026-03-01 09:02:00.000000','2026-03-01 09:03:00.000000');
INSERT INTO "ai_response_queue" VALUES('response3','workflow3','You can pay 300 a week.',0.8,'escalated','2026-03-01 09:03:00.000000','2026-03-01 09:03:00.000000','2026-03-01 09:04:00.000000');
CREATE TABLE approval_audit_log (
	id INTEGER NOT NULL, 
	response_queue_id VARCHAR(128) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	manager_id VARCHAR(128) NOT NULL, 
	text TEXT, 
	reason TEXT, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(response_queue_id) REFERENCES ai_response_queue (id)
);
INSERT INTO "approval_audit_log" VALUES(1,'response1','modify','manager-1','Call me.',NULL,'2026-03-01 09:02:00.000000');
INSERT INTO "approval_audit_log" VALUES(2,'response3','escalate','manager-2',NULL,'She is upset.','2026-03-01 09:04:00.000000');
CREATE TABLE escalation_events (
	id VARCHAR(128) NOT NULL, 
	conversation_id VARCHAR(128) NOT NULL, 
	workflow_id VARCHAR(128), 
	type VARCHAR(32) NOT NULL, 
	severity VARCHAR(32) NOT NULL, 
	detection VARCHAR(32) NOT NULL, 
	reason TEXT, 
	notified_at DATETIME, 
	resolved_at DATETIME, 
	resolved_by VARCHAR(128), 
	note TEXT, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(workflow_id) REFERENCES workflow_instances (id)
);
INSERT INTO "escalation_events" VALUES('escalation0','conversation-3','workflow3','hostile_language','high','auto',NULL,'2026-03-01 09:04:00.000000',NULL,NULL,NULL,'2026-03-01 09:04:00.000000');
INSERT INTO "escalation_events" VALUES('escalation1','conversation-0',NULL,'payment_dispute','low','manual','He says he paid.',NULL,'2026-03-01 10:30:00.000000','manager-1','He had paid.','2026-03-01 09:05:00.000000');
CREATE TABLE payment_plan_attempts (
	id VARCHAR(128) NOT NULL, 
	conversation_id VARCHAR(128) NOT NULL, 
	tenant_id VARCHAR(128) NOT NULL, 
	workflow_id VARCHAR(128), 
	weekly_dollars FLOAT, 
	weeks INTEGER, 
	result VARCHAR(32) NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(workflow_id) REFERENCES workflow_instances (id)
);
INSERT INTO "payment_plan_attempts" VALUES('plan0','conversation-0','tenant-0','workflow0',200.0,8,'valid','2026-03-01 09:00:00.000000');
INSERT INTO "payment_plan_attempts" VALUES('plan1','conversation-9','tenant-9',NULL,5.0,NULL,'invalid','2026-03-01 09:01:00.000000');
CREATE TABLE workflow_instances (
	id VARCHAR(128) NOT NULL, 
	message_key VARCHAR(128) NOT NULL, 
	conversation_id VARCHAR(128) NOT NULL, 
	tenant_id VARCHAR(128) NOT NULL, 
	phone_number VARCHAR(128) NOT NULL, 
	content TEXT NOT NULL, 
	correlation_id VARCHAR(128) NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	route VARCHAR(32), 
	confidence FLOAT, 
	error TEXT, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "workflow_instances" VALUES('workflow0','0000000000000000000000000000000000000000000000000000000000000000','conversation-0','tenant-0','+15550100000','Can I pay 000 a week? It''s ''late'' — sorry 🙏','correlation-0','completed','auto_sent',0.5,NULL,'2026-03-01 09:00:00.000000','2026-03-01 09:01:00.000000');
INSERT INTO "workflow_instances" VALUES('workflow1','0000000000000000000000000000000000000000000000000000000000000001','conversation-1','tenant-1','+15550100001','Can I pay 100 a week? It''s ''late'' — sorry 🙏','correlation-1','sent','auto_sent',0.6,NULL,'2026-03-01 09:01:00.000000','2026-03-01 09:02:00.000000');
INSERT INTO "workflow_instances" VALUES('workflow2','0000000000000000000000000000000000000000000000000000000000000002','conversation-2','tenant-2','+15550100002','Can I pay 200 a week? It''s ''late'' — sorry 🙏','correlation-2','awaiting_approval','queued',0.7,NULL,'2026-03-01 09:02:00.000000','2026-03-01 09:03:00.000000');
INSERT INTO "workflow_instances" VALUES('workflow3','0000000000000000000000000000000000000000000000000000000000000003','conversation-3','tenant-3','+15550100003','Can I pay 300 a week? It''s ''late'' — sorry 🙏','correlation-3','escalated','escalated',0.8,NULL,'2026-03-01 09:03:00.000000','2026-03-01 09:04:00.000000');
INSERT INTO "workflow_instances" VALUES('workflow4','0000000000000000000000000000000000000000000000000000000000000004','conversation-4','tenant-4','+15550100004','Can I pay 400 a week? It''s ''late'' — sorry 🙏','correlation-4','failed','failed',NULL,'ai_provider generate_response: timeout','2026-03-01 09:04:00.000000','2026-03-01 09:05:00.000000');
CREATE TABLE workflow_steps (
	id INTEGER NOT NULL, 
	workflow_id VARCHAR(128) NOT NULL, 
	step VARCHAR(32) NOT NULL, 
	step_type VARCHAR(32) NOT NULL, 
	status VARCHAR(32) NOT NULL, 
	started_at DATETIME NOT NULL, 
	duration_ms FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(workflow_id) REFERENCES workflow_instances (id)
);
INSERT INTO "workflow_steps" VALUES(1,'workflow0','ai_response','ai_processing','completed','2026-03-01 09:00:00.000000',812.5);
INSERT INTO "workflow_steps" VALUES(2,'workflow1','ai_response','ai_processing','completed','2026-03-01 09:01:00.000000',813.5);
INSERT INTO "workflow_steps" VALUES(3,'workflow2','ai_response','ai_processing','completed','2026-03-01 09:02:00.000000',814.5);
INSERT INTO "workflow_steps" VALUES(4,'workflow3','ai_response','ai_processing','completed','2026-03-01 09:03:00.000000',815.5);
INSERT INTO "workflow_steps" VALUES(5,'workflow4','ai_response','ai_processing','failed','2026-03-01 09:04:00.000000',816.5);
CREATE INDEX workflow_instances_by_conversation ON workflow_instances (conversation_id, created_at);
CREATE INDEX workflow_instances_by_status ON workflow_instances (status, updated_at);
CREATE INDEX workflow_instances_by_message ON workflow_instances (message_key, created_at);
CREATE INDEX ix_workflow_steps_workflow_id ON workflow_steps (workflow_id);
CREATE INDEX ix_ai_response_queue_workflow_id ON ai_response_queue (workflow_id);
CREATE INDEX ai_response_queue_by_status ON ai_response_queue (status, created_at);
CREATE INDEX ix_payment_plan_attempts_workflow_id ON payment_plan_attempts (workflow_id);
CREATE INDEX ix_payment_plan_attempts_conversation_id ON payment_plan_attempts (conversation_id);
CREATE INDEX ix_escalation_events_conversation_id ON escalation_events (conversation_id);
CREATE INDEX escalation_events_open ON escalation_events (severity) WHERE resolved_at IS NULL;
CREATE INDEX escalation_events_by_notification ON escalation_events (notified_at, created_at);
CREATE INDEX ix_approval_audit_log_response_queue_id ON approval_audit_log (response_queue_id);
COMMIT;
