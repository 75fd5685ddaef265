BEGIN TRANSACTION;
CREATE TABLE lut_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT lut_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "lut_alembic_version" VALUES('0006');
CREATE TABLE lut_ceilings (
	profile_id TEXT NOT NULL, 
	flops_per_s BIGINT NOT NULL, 
	bytes_per_s BIGINT NOT NULL, 
	quality TEXT NOT NULL, 
	PRIMARY KEY (profile_id), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id)
);
INSERT INTO "lut_ceilings" VALUES('profile-1',110000000000,12000000000,'good');
CREATE TABLE lut_device_states (
	device_name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	last_contact_utc TEXT, 
	doing TEXT, 
	owner TEXT, 
	reason TEXT, 
	PRIMARY KEY (device_name)
);
INSERT INTO "lut_device_states" VALUES('board1','put aside','2026-11-22T09:00:00+00:00',NULL,NULL,'board1: the connection was lost');
CREATE TABLE lut_devices (
	device_name TEXT NOT NULL, 
	profile_id TEXT NOT NULL, 
	last_seen INTEGER NOT NULL, 
	PRIMARY KEY (device_name, profile_id), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id)
);
INSERT INTO "lut_devices" VALUES('board1','profile-1',1);
CREATE TABLE lut_fits (
	profile_id TEXT NOT NULL, 
	precision TEXT NOT NULL, 
	revision TEXT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (profile_id, precision), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id)
);
INSERT INTO "lut_fits" VALUES('profile-1','fp32','2-profile-1:1-1','{"entries":{"key":["dense(bias=0,size=1)@infer/fp32","dense(bias=0,size=10)@infer/fp32"],"latency_ns":[1000,10000],"low_ns":[607,6074],"high_ns":[1393,13926],"carriers":[1,1],"nodes":[1.0,1.0],"quality":["good","good"],"samples_ns":[[1000],[10000]],"set_aside":[0,0]},"cost_keys":["dense(bias=0,size=1)@infer/fp32","dense(bias=0,size=10)@infer/fp32"],"costs":{"params":[1,10],"active_params":[1,10],"macs":[7,70],"weight_bytes":[4,40],"peak_bytes":[10,100],"state_bytes":[3,3],"lasting_bytes":[1,1],"convolution_bytes":[0,0],"workspace_bytes":[0,0],"operators":[0,0],"operator_kinds":[0,0],"unknown_ops":[[],[]]},"canary":{"usual_ns":1000.0,"spread":0.0},"groups":{"tiny/infer":{"term":{"fixed_ns":0.0,"node_ns":0.0,"beyond":[],"networks":0},"common_error":{"half_width":0.1,"networks":0},"repeat":null}},"memory":{}}');
CREATE TABLE lut_networks (
	id INTEGER NOT NULL, 
	profile_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	space TEXT NOT NULL, 
	architecture_id TEXT NOT NULL, 
	architecture_json TEXT NOT NULL, 
	precision TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	canary_ns BIGINT, 
	peak_bytes BIGINT, 
	static_bytes BIGINT NOT NULL, 
	created_utc TEXT NOT NULL, observed_json TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT lut_networks_digest UNIQUE (digest), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id)
);
INSERT INTO "lut_networks" VALUES(1,'profile-1','40688d02514a8ea61ecde72c72020a4fdccb8c7fe41f5497de8e4f78306f9c69','tiny','2514b2a41246','{"choices":{"bias1":false,"depth":1,"head":false,"size":1},"id":"2514b2a41246","space":"tiny"}','fp32','carrier',1000,5000,1000,'2026-01-02T03:04:05+00:00','{"temperature_c":[51.5]}');
CREATE TABLE lut_phases (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	phase TEXT NOT NULL, 
	latency_ns BIGINT NOT NULL, 
	low_ns BIGINT NOT NULL, 
	high_ns BIGINT NOT NULL, 
	p90_ns BIGINT NOT NULL, 
	runs BIGINT NOT NULL, 
	quality TEXT NOT NULL, 
	group_ns TEXT NOT NULL, 
	nodes TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT lut_phases_position UNIQUE (network_id, position), 
	FOREIGN KEY(network_id) REFERENCES lut_networks (id)
);
INSERT INTO "lut_phases" VALUES(1,1,0,'infer',11000,10999,11001,11001,100,'good','[11000,11001]','[["stem/0_MatMul","MatMul",2000],["middle1/0_MatMul","MatMul",20000]]');
CREATE TABLE lut_profiles (
	id TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "lut_profiles" VALUES('profile-1','{"cores":[0,1],"threads":1}');
CREATE TABLE lut_segments (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	params BIGINT NOT NULL, 
	active_params BIGINT NOT NULL, 
	macs BIGINT NOT NULL, 
	weight_bytes BIGINT NOT NULL, 
	peak_bytes BIGINT NOT NULL, 
	state_bytes BIGINT NOT NULL, 
	lasting_bytes BIGINT NOT NULL, 
	unknown_ops TEXT NOT NULL, convolution_bytes BIGINT DEFAULT '0' NOT NULL, workspace_bytes BIGINT DEFAULT '0' NOT NULL, operators BIGINT DEFAULT '0' NOT NULL, operator_kinds BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT lut_segments_key UNIQUE ("key")
);
INSERT INTO "lut_segments" VALUES(1,'dense(bias=0,size=1)@infer/fp32',1,1,7,4,10,3,1,'[]',0,0,0,0);
INSERT INTO "lut_segments" VALUES(2,'dense(bias=0,size=10)@infer/fp32',10,10,70,40,100,3,1,'[]',0,0,0,0);
CREATE TABLE lut_shares (
	phase_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	place TEXT NOT NULL, 
	segment_id INTEGER NOT NULL, 
	nodes INTEGER, 
	node_ns BIGINT, 
	latency_ns BIGINT, 
	PRIMARY KEY (phase_id, position), 
	FOREIGN KEY(phase_id) REFERENCES lut_phases (id), 
	FOREIGN KEY(segment_id) REFERENCES lut_segments (id)
);
INSERT INTO "lut_shares" VALUES(1,0,'stem',1,1,2000,1000);
INSERT INTO "lut_shares" VALUES(1,1,'middle1',2,1,20000,10000);
CREATE TABLE lut_transfers (
	profile_id TEXT NOT NULL, 
	precision TEXT NOT NULL, 
	source_id TEXT NOT NULL, 
	PRIMARY KEY (profile_id, precision), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id), 
	FOREIGN KEY(source_id) REFERENCES lut_profiles (id)
);
CREATE INDEX lut_networks_by_profile ON lut_networks (profile_id, precision);
COMMIT;
