// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IRetirable} from "../../contracts/interfaces/IRetirable.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Registration by the right party, standing, operators, authentication.
contract IdentityRegistryTest is Consortium {
    function test_entityIsRegisteredByTheAdministratorAlone() public {
        bytes32 id = keccak256("hospital C");
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, a));
        identity.registerEntity(registration(id, stranger));

        vm.expectEmit(address(identity));
        emit IIdentityRegistry.EntityRegistered(id, stranger, NOW, OPEN_END, 0, key(id), "https://gateway.example");
        vm.prank(admin);
        identity.registerEntity(registration(id, stranger));
        IIdentityRegistry.Party memory party = identity.party(id);
        assertEq(party.controller, stranger, "controller");
        assertTrue(party.kind == IIdentityRegistry.Kind.Entity, "kind");
        assertTrue(party.status == IIdentityRegistry.Status.Active, "status");
        assertEq(party.validFrom, NOW, "validFrom");
        assertEq(party.validTo, OPEN_END, "validTo");
        assertEq(party.parent, 0, "parent");
        assertEq(party.keyCommitment, keccak256(key(id)), "key commitment");
    }

    function test_proxyIsRegisteredByTheAdministratorAlone() public {
        bytes32 id = keccak256("proxy");
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, a));
        identity.registerProxy(registration(id, stranger), A);
        vm.prank(admin);
        identity.registerProxy(registration(id, stranger), A);
        assertTrue(identity.kindOf(id) == IIdentityRegistry.Kind.Proxy, "kind");
        assertEq(identity.parentOf(id), A, "owner");
    }

    function test_practitionerIsRegisteredByItsEntityAlone() public {
        IIdentityRegistry.Registration memory nurse = registration(keccak256("nurse"), stranger);
        nurse.endpoint = "";
        address[3] memory others = [b, admin, doctor];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, others[i]));
            identity.registerPractitioner(A, nurse);
        }
        vm.prank(a);
        identity.registerPractitioner(A, nurse);
        assertEq(identity.parentOf(nurse.id), A, "parent");
    }

    function test_noTextAboutAPerson() public {
        IIdentityRegistry.Registration memory nurse = registration(keccak256("nurse"), stranger);
        nurse.endpoint = "https://example.org/dr-jane-doe";
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.TextAboutPerson.selector);
        identity.registerPractitioner(A, nurse);
    }

    function test_patientIsRegisteredByAnActiveEntityAlone() public {
        bytes32[] memory ids = one(keccak256("new patient"));
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, b));
        vm.prank(b);
        identity.registerPatients(A, ids, oneAddress(stranger), one(0));
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, a));
        vm.prank(a);
        identity.registerPatients(A, ids, oneAddress(stranger), one(0));
    }

    function test_registeringAPatientAgainIsHarmless() public {
        bytes memory by = signed(grantOf(ALICE, B), ALICE_KEY);
        vm.recordLogs();
        registerPatient(ALICE, alice);
        registerPatient(CAROL, address(0));
        assertEq(vm.getRecordedLogs().length, 0, "no event");
        assertEq(consents.revocationNonce(CAROL), 0, "in custody nothing was ever signed that could be void");
        consents.grantSigned(grantOf(ALICE, B), by);
        // Not in another way, nor by another entity.
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.AlreadyRegistered.selector, CAROL));
        identity.registerPatients(A, one(CAROL), oneAddress(carol), one(0));
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.AlreadyRegistered.selector, CAROL));
        identity.registerPatients(B, one(CAROL), oneAddress(address(0)), one(0));
    }

    function test_custodyCannotHideBehindTheEntitysOwnAccounts() public {
        vm.prank(a);
        identity.addOperator(A, stranger);
        address[2] memory own = [a, stranger];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(a);
            vm.expectRevert(IIdentityRegistry.InvalidController.selector);
            identity.registerPatients(A, one(keccak256("x")), oneAddress(own[i]), one(0));
        }
    }

    function test_malformedRegistrationsAreRefused() public {
        IIdentityRegistry.Registration memory bad = registration(0, stranger);
        vm.prank(admin);
        vm.expectRevert(IIdentityRegistry.InvalidId.selector);
        identity.registerEntity(bad);
        bad = registration(keccak256("x"), address(0));
        vm.prank(admin);
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.registerEntity(bad);
        bad = registration(keccak256("x"), stranger);
        bad.validTo = NOW;
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.InvalidValidity.selector, NOW, NOW));
        identity.registerEntity(bad);
        bad = registration(keccak256("x"), stranger);
        bad.encryptionKey = abi.encodePacked(bytes1(0x04), bad.id);
        vm.prank(admin);
        vm.expectRevert(IIdentityRegistry.InvalidEncryptionKey.selector);
        identity.registerEntity(bad);
        bad = registration(A, stranger);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.AlreadyRegistered.selector, A));
        identity.registerEntity(bad);
        bad = registration(keccak256("x"), address(0));
        vm.prank(admin);
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.registerProxy(bad, A);
        vm.startPrank(a);
        vm.expectRevert(IIdentityRegistry.LengthMismatch.selector);
        identity.registerPatients(A, one(keccak256("x")), new address[](0), one(0));
        vm.expectRevert(IIdentityRegistry.LengthMismatch.selector);
        identity.registerPatients(A, one(keccak256("x")), oneAddress(address(0)), new bytes32[](0));
        vm.expectRevert(IIdentityRegistry.LengthMismatch.selector);
        consents.admit(A, one("x"), new bytes32[](0), IConsentRegistry.CareTerms(1, 1, 1, NOW, OPEN_END, 0));
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.addOperator(A, address(0));
        vm.stopPrank();
        // Somebody's id is nobody else's, not even for the same account of the same entity.
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.AlreadyRegistered.selector, DOCTOR));
        identity.registerPatients(B, one(DOCTOR), oneAddress(doctor), one(0));
    }

    function test_anAdministratorIsSomebody() public {
        deploys(admin);
        try this.deploys(address(0)) {
            assertTrue(false, "deployed for nobody");
        } catch {}
    }

    function deploys(address administrator) public {
        vm.deployCode("IdentityRegistry.sol:IdentityRegistry", abi.encode(administrator, RECOVERY_DELAY));
    }

    /// @dev Every pair of states. What is revoked stays so, what is pending waits for the information, nothing becomes either.
    function test_everyChangeOfStatus() public {
        bytes32 other = keccak256(abi.encode(bytes32(0), bytes32(0)));
        for (uint8 from = 1; from <= 4; ++from) {
            for (uint8 to = 0; to <= 4; ++to) {
                bytes32 id = keccak256(abi.encode(from, to));
                IIdentityRegistry.Registration memory entity = registration(id, stranger);
                if (from == 4) entity.credential = other;
                vm.startPrank(admin);
                identity.registerEntity(entity);
                if (from == 2 || from == 3) identity.setStatus(id, IIdentityRegistry.Status(from));
                bool allowed = from != 3 && (to == 3 || (from == 1 && to == 2) || (from == 2 && to == 1));
                if (!allowed) {
                    vm.expectRevert(
                        abi.encodeWithSelector(
                            IIdentityRegistry.InvalidStatus.selector,
                            id,
                            IIdentityRegistry.Status(from),
                            IIdentityRegistry.Status(to)
                        )
                    );
                }
                identity.setStatus(id, IIdentityRegistry.Status(to));
                vm.stopPrank();
                assertTrue(
                    identity.party(id).status == IIdentityRegistry.Status(allowed ? to : from), "what was allowed"
                );
            }
        }
    }

    function test_activeIsStatusAndValidity() public {
        IIdentityRegistry.Registration memory short = registration(keccak256("short"), stranger);
        (short.validFrom, short.validTo) = (NOW + 10, NOW + 20);
        vm.prank(admin);
        identity.registerEntity(short);
        uint40[4] memory times = [NOW + 9, NOW + 10, NOW + 19, NOW + 20];
        bool[4] memory active = [false, true, true, false];
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(times[i]);
            assertTrue(identity.isActive(short.id) == active[i], "active");
            assertTrue(identity.operates(short.id, stranger) == active[i], "operates");
            assertTrue(identity.speaksFor(short.id, stranger) == active[i], "speaks");
        }
        vm.prank(admin);
        identity.setValidity(short.id, NOW, OPEN_END);
        assertTrue(identity.isActive(short.id), "prolonged");
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.InvalidValidity.selector, NOW, NOW));
        identity.setValidity(short.id, NOW, NOW);
        // A practitioner's is its entity's to change.
        address[2] memory others = [admin, a];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, DOCTOR, others[i]));
            identity.setValidity(DOCTOR, NOW, OPEN_END);
        }
        assertFalse(identity.isActive(keccak256("unknown")), "unknown");
    }

    function test_statusIsChangedByTheSupervisorAlone() public {
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, B, a));
        identity.setStatus(B, IIdentityRegistry.Status.Suspended);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, DOCTOR, admin));
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Suspended);
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Suspended);
        assertFalse(identity.isActive(DOCTOR), "suspended");
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Active);
        vm.prank(admin);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Revoked);
        vm.prank(b);
        vm.expectPartialRevert(IIdentityRegistry.InvalidStatus.selector);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Active);
    }

    function test_nobodySuspendsAPatient() public {
        address[4] memory all = [admin, a, alice, stranger];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(all[i]);
            vm.expectPartialRevert(IIdentityRegistry.WrongKind.selector);
            identity.setStatus(ALICE, IIdentityRegistry.Status.Suspended);
        }
    }

    function test_operatorsActButDoNotAppoint() public {
        vm.prank(a);
        identity.addOperator(A, stranger);
        assertTrue(identity.operates(A, stranger), "operates");
        assertFalse(identity.operates(B, stranger), "another entity");
        vm.prank(stranger);
        identity.registerPatients(A, one(keccak256("x")), oneAddress(address(0)), one(0));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, stranger));
        identity.addOperator(A, alice);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, stranger));
        identity.removeOperator(A, stranger);
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, a));
        identity.addOperator(A, alice);
        vm.prank(doctor);
        vm.expectRevert(
            abi.encodeWithSelector(IIdentityRegistry.WrongKind.selector, DOCTOR, IIdentityRegistry.Kind.Practitioner)
        );
        identity.addOperator(DOCTOR, alice);
        // A hot key is withdrawn whatever the standing.
        vm.prank(a);
        identity.removeOperator(A, stranger);
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Active);
        assertFalse(identity.operates(A, stranger), "removed");
    }

    function test_aPendingPartyIsAdmittedOnlyByMatchingInformation() public {
        (bytes32 general, bytes32 primary) = (keccak256("general, salted"), keccak256("primary, salted"));
        bytes32 id = keccak256("hospital C");
        IIdentityRegistry.Registration memory pending = registration(id, stranger);
        pending.credential = keccak256(abi.encode(id, general, primary));
        vm.prank(admin);
        identity.registerEntity(pending);
        assertFalse(identity.isActive(id), "pending");
        // Not even by who registered it.
        vm.prank(admin);
        vm.expectPartialRevert(IIdentityRegistry.InvalidStatus.selector);
        identity.setStatus(id, IIdentityRegistry.Status.Active);

        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotExpected.selector, id));
        identity.authenticate(id, general, keccak256("other"));
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, id, a));
        identity.authenticate(id, general, primary);
        vm.prank(stranger);
        identity.authenticate(id, general, primary);
        assertTrue(identity.isActive(id), "authenticated");
        vm.prank(stranger);
        vm.expectPartialRevert(IIdentityRegistry.InvalidStatus.selector);
        identity.authenticate(id, general, primary);
    }

    function test_keysAndEndpointsAreChangedByTheParty() public {
        bytes memory next = abi.encodePacked(bytes1(0x03), keccak256("next"));
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, b));
        identity.changeEncryptionKey(A, next);
        vm.prank(a);
        identity.changeEncryptionKey(A, next);
        assertEq(identity.party(A).keyCommitment, keccak256(next), "commitment");
        vm.prank(a);
        identity.changeEndpoint(A, "https://new.example");
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, A, b));
        identity.changeEndpoint(A, "https://elsewhere.example");
        bytes32[2] memory people = [ALICE, DOCTOR];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? alice : doctor);
            vm.expectPartialRevert(IIdentityRegistry.WrongKind.selector);
            identity.changeEndpoint(people[i], "https://person.example");
        }
        bytes32 ursula = keccak256("ursula");
        vm.prank(admin);
        identity.registerProxy(registration(ursula, stranger), B);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.EndpointChanged(ursula, "https://ursula.example");
        vm.prank(stranger);
        identity.changeEndpoint(ursula, "https://ursula.example");
        next[0] = 0x04;
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.InvalidEncryptionKey.selector);
        identity.changeEncryptionKey(A, next);
    }

    function test_administrationIsHandedOverInTwoSteps() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, stranger));
        identity.proposeAdministrator(stranger);
        vm.prank(admin);
        identity.proposeAdministrator(stranger);
        assertEq(identity.administrator(), admin, "not yet");
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, a));
        identity.acceptAdministrator();
        vm.prank(stranger);
        identity.acceptAdministrator();
        assertEq(identity.administrator(), stranger, "accepted");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, stranger));
        identity.acceptAdministrator();
    }

    function test_anotherConsentRegistryOnlyAfterRetirement() public {
        address next = vm.deployCode("ConsentRegistry.sol:ConsentRegistry", abi.encode(identity));
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.InvalidSuccessor.selector, next));
        identity.connectConsentRegistry(next);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, stranger));
        IRetirable(address(consents)).retire(next);
        vm.prank(admin);
        IRetirable(address(consents)).retire(next);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.NotAdministrator.selector, stranger));
        identity.connectConsentRegistry(next);
        vm.startPrank(admin);
        identity.connectConsentRegistry(next);
        vm.stopPrank();
        assertEq(identity.consentRegistry(), next, "connected");
        // Nor the first one, if nobody would answer there.
        IIdentityRegistry fresh = IIdentityRegistry(
            vm.deployCode("IdentityRegistry.sol:IdentityRegistry", abi.encode(admin, RECOVERY_DELAY))
        );
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.InvalidSuccessor.selector, stranger));
        fresh.connectConsentRegistry(stranger);
    }

    function test_aRetiredRegistryRegistersNothingMore() public {
        IRetirable retirable = IRetirable(address(identity));
        address next = address(new Empty());
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.InvalidSuccessor.selector, stranger));
        retirable.retire(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.InvalidSuccessor.selector, address(identity)));
        retirable.retire(address(identity));
        bytes32 pending = keccak256("pending");
        IIdentityRegistry.Registration memory waiting = registration(pending, stranger);
        waiting.credential = keccak256(abi.encode(pending, bytes32(0), bytes32(0)));
        identity.registerEntity(waiting);
        retirable.retire(next);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        identity.registerEntity(registration(keccak256("x"), stranger));
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        identity.registerProxy(registration(keccak256("x"), stranger), A);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        retirable.retire(address(consents));
        vm.stopPrank();
        IIdentityRegistry.Registration memory nurse = registration(keccak256("nurse"), stranger);
        nurse.endpoint = "";
        vm.startPrank(a);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        identity.registerPractitioner(A, nurse);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        identity.registerPatients(A, one("x"), oneAddress(address(0)), one(0));
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        consents.admit(A, one("x"), one(0), IConsentRegistry.CareTerms(1, 1, 1, NOW, OPEN_END, 0));
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, next));
        identity.authenticate(pending, 0, 0);
        vm.startPrank(admin);
        // What takes rights away goes on.
        identity.setStatus(A, IIdentityRegistry.Status.Revoked);
        vm.stopPrank();
        assertFalse(identity.isActive(A), "revoked");
    }
}

contract Empty {}
